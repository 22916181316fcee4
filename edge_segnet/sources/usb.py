"""USB cameras through OpenCV: what was asked for is set, read back, and an honest error if it is not given."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2

from edge_segnet.core.errors import InputError
from edge_segnet.core.uris import SourceUri
from edge_segnet.pictures.chatter import quiet_decoders

SYSFS: Final = Path("/sys/class/video4linux")
LIST_HINT: Final = "list cameras with: ls /dev/video*; you must be in the group 'video'"
RATE_TOLERANCE: Final = 0.05
"""Drivers round: 29.97 is 30."""


def open_usb(source: SourceUri) -> cv2.VideoCapture:
    """Open ``source.device`` with the size, rate and pixel format that the source asks for.

    Raises:
        InputError: it is not there, is in use, or can't do what was asked.
    """
    check_device(source)
    with quiet_decoders():
        capture = cv2.VideoCapture(source.device, cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise InputError(f"{_name(source)} can't be opened", hint="does another program use it? see: fuser /dev/video*")
    try:
        _set(capture, source)
    except InputError:
        capture.release()
        raise
    return capture


@dataclass(frozen=True)
class Identity:
    """What stays when a camera is pulled out and comes back under another number. ``place``: the port, where the maker
    gave it no number of its own; ``index``: which of its streams.
    """

    maker: str
    product: str
    serial: str
    place: str
    index: str


def identity(device: str, root: Path = SYSFS) -> Identity | None:
    """Of a device that is plugged in; None for one that is none of USB."""
    node = root / Path(os.path.realpath(device)).name
    for folder in (found := Path(os.path.realpath(node / "device")), *found.parents):
        if (folder / "idVendor").exists():
            facts = [_word(folder / name) for name in ("idVendor", "idProduct", "serial")]
            place = "" if facts[2] else _word(folder / "devpath")
            return Identity(facts[0], facts[1], facts[2], place, _word(node / "index"))
    return None


def _word(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeError):
        return ""


class Followed:
    """The cameras that were seen, by the names that settings give them: a name goes on meaning the same camera."""

    def __init__(self, root: Path = SYSFS) -> None:
        self._root = root
        self._seen: dict[str, Identity] = {}

    def device(self, named: str) -> str:
        """Where the camera of that name is now.

        Raises:
            InputError: it is not plugged in, and another camera has its number.
        """
        here = identity(named, self._root)
        known = self._seen.get(named)
        if known is None or here == known:
            if here is not None:
                self._seen[named] = here
            return named
        for node in sorted(self._root.glob("video*")):
            if identity(f"/dev/{node.name}", self._root) == known:
                return f"/dev/{node.name}"
        if here is None:
            return named  # not there: whoever opens it says so
        hint = "plug it in again, or restart the service to use the other one"
        raise InputError(
            f"{named} is another camera now ({here.maker}:{here.product} {here.serial or here.place})", hint=hint
        )

    def port(self, named: str) -> str:
        """Where the camera of that name is plugged in, as the kernel calls it (``1-1.2``); empty: nowhere."""
        try:
            node = self._root / Path(os.path.realpath(self.device(named))).name
        except InputError:
            return ""
        device = Path(os.path.realpath(node / "device"))
        return next((folder.name for folder in (device, *device.parents) if (folder / "idVendor").exists()), "")


followed: Final = Followed()


def check_device(source: SourceUri) -> None:
    """Raises InputError when there is no such device, or when this user may not open it."""
    if not Path(source.device).exists():
        raise InputError(f"no {_name(source)}", hint=LIST_HINT)
    if not os.access(source.device, os.R_OK | os.W_OK):
        raise InputError(f"{_name(source)} may not be opened", hint=f"add this user to the group 'video'; {LIST_HINT}")


def _name(source: SourceUri) -> str:
    return f"USB camera {source.device.removeprefix('/dev/video')}"


def _set(capture: cv2.VideoCapture, source: SourceUri) -> None:
    # The format first: many cameras have their large sizes and high rates as JPEG only.
    if source.format == "mjpeg":
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    elif source.format == "raw":
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"YUYV"))
    if source.width is not None and source.height is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, source.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, source.height)
    if source.fps is not None:
        capture.set(cv2.CAP_PROP_FPS, source.fps)
    width, height = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    fps = float(capture.get(cv2.CAP_PROP_FPS))
    hint = f"see what it can do: v4l2-ctl -d {source.device} --list-formats-ext"
    if source.width is not None and (width, height) != (source.width, source.height):
        asked = f"{source.width}x{source.height}"
        raise InputError(f"{_name(source)}: asked for {asked}, it gives {width}x{height}", hint=hint)
    if source.fps is not None and fps > 0.0 and abs(fps - source.fps) > RATE_TOLERANCE * source.fps:
        raise InputError(f"{_name(source)}: asked for {source.fps:g} frames/s, it gives {fps:g}", hint=hint)
    code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
    if source.format == "mjpeg" and code not in (b"MJPG", b"JPEG"):
        raise InputError(f"{_name(source)}: asked for mjpeg, it gives {code!r}", hint=hint)


def gives_jpeg(capture: cv2.VideoCapture) -> bool:
    """Whether the camera's JPEGs come as they are from here on: OpenCV's own decoder does not tell a half one from a
    whole one.
    """
    code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
    return code in (b"MJPG", b"JPEG") and bool(capture.set(cv2.CAP_PROP_CONVERT_RGB, 0))
