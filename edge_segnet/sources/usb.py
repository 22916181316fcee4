"""USB cameras through OpenCV: what was asked for is set, read back, and an honest error if it is not given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import cv2

from edge_segnet.core.errors import InputError
from edge_segnet.core.uris import SourceUri
from edge_segnet.pictures.chatter import quiet_decoders

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
