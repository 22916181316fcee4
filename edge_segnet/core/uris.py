"""Where pictures come from, as text: one grammar for ``--source``, the config file and ``segment``'s INPUT.

    3                                   the USB camera /dev/video3
    /dev/camera_front                   the USB camera that a rule of udev calls so
    v4l2:///dev/video0?width=1280&height=720&fps=30&format=mjpeg
    csi://0?width=1280&height=720&fps=30&flip=rotate-180
    rtsp://user:secret@camera:554/stream      rtsps:// too
    http://camera/video.mjpg                  https:// too
    synthetic://drive?fps=30&seed=0
    anything without a scheme: a picture, a video, a folder or a glob

Nothing is opened or looked up here. What an address may hold is listed, not what it may not: no spaces, no quotes, no
control characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal, TypeVar
from urllib.parse import parse_qsl, unquote

from edge_segnet.core.errors import UsageError
from edge_segnet.core.places import place_fault

_T = TypeVar("_T")
Kind = Literal["csi", "v4l2", "rtsp", "http", "path", "synthetic"]
Decoder = Literal["cpu", "nvidia"]
"""Who decodes a USB camera's JPEGs; ``nvidia``: a Jetson's JPEG engine."""
DECODERS: Final[dict[str, Decoder]] = {"cpu": "cpu", "nvidia": "nvidia"}
Flip = Literal["none", "horizontal", "vertical", "rotate-90", "rotate-180", "rotate-270"]
"""Quarter turns are clockwise."""
PixelFormat = Literal["any", "raw", "mjpeg"]

FLIPS: Final[dict[str, Flip]] = {
    "none": "none",
    "horizontal": "horizontal",
    "vertical": "vertical",
    "rotate-90": "rotate-90",
    "rotate-180": "rotate-180",
    "rotate-270": "rotate-270",
}
FORMATS: Final[dict[str, PixelFormat]] = {"any": "any", "raw": "raw", "mjpeg": "mjpeg"}
KNOWN: Final = "known: csi://, v4l2://, rtsp://, http://, a camera's number, files, folders, globs, synthetic://drive"
SIDE: Final = (16, 16384)
"""Pixels: what GStreamer's and V4L2's drivers are asked for at all."""
RATE: Final = (0.1, 1000.0)
"""Frames per second: one in ten seconds, up to more than any sensor has."""

_DEVICE: Final = re.compile(r"/dev/(?!\.)[A-Za-z0-9_.:+@-]+(/(?!\.)[A-Za-z0-9_.:+@-]+){0,3}", re.ASCII)
"""Any name below /dev: udev rules call cameras what their owners like."""
_NO_CAMERA: Final = re.compile(
    r"/dev/((shm|fd|mqueue|hugepages|pts)(/.*)?|std(in|out|err)|null|zero|full|u?random|tty|console|ptmx)", re.ASCII
)
"""What every Linux has below /dev: files in memory, and devices that give bytes but no pictures."""
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._~!$&()*+,;=:@/?%\[\]-]*", re.ASCII)
"""RFC 3986 without quotes and fragments."""
_USER_INFO: Final = re.compile(r"(?<=://)[^/?#\s]*@")
_ON_THE_NETWORK: Final = re.compile(
    r"""(?P<start>\b(?:rtsps?|https?|rtmps?|wss?)://[^/?\#\s"']*) (?P<path>[^?\#\s"']*) (?P<query>\?[^\#\s"']*)?""",
    re.IGNORECASE | re.VERBOSE,
)
_VALUE: Final = re.compile(r"([?&][^=&]*)=[^&]+")
TOKEN_LENGTH, TOKEN_CHANGES = 16, 3
"""Of random keys of 16 letters and digits 2 in 10,000 change less often; ``2024-01-01-recording`` does once."""
_SECRET: Final = re.compile(
    r"""(?<![a-z]) ( user(?:-?id|-?name|-?pw)? | usr | login | pass(?:word|wd|phrase)? | pwd | pw | psw
        | (?:[a-z]+[_-])?(?:token|secret|key|auth) | proxy-(?:id|pw) )
        = ( "[^"]*" | '[^']*' | [^&\#\s"']+ )""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class SourceUri:
    """A source, understood. Only the fields of its kind mean anything; its ``repr`` shows no credentials.

    ``url`` has no user and no password: those stand beside it, decoded. ``width``, ``height`` and ``fps`` are what was
    asked for; None leaves it to the camera.
    """

    text: str = field(repr=False)
    kind: Kind
    path: str = ""
    device: str = ""
    sensor: int = 0
    url: str = field(default="", repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    format: PixelFormat = "any"
    decoder: Decoder = "cpu"
    flip: Flip = "none"
    seed: int = 0

    @property
    def shown(self) -> str:
        """The text for logs, status and messages."""
        return without_credentials(self.text)

    @property
    def live(self) -> bool:
        """A camera or a stream: it can be lost, and come back."""
        return self.kind not in ("path", "synthetic")


def quarter(size: tuple[int, int], flip: Flip) -> tuple[int, int]:
    """(width, height) on the other side of a flip."""
    return size[::-1] if flip in ("rotate-90", "rotate-270") else size


def without_credentials(text: str) -> str:
    """``rtsp://user:secret@cam/1?token=x`` -> ``rtsp://cam/1?token=***``; also inside a sentence or a pipeline.

    Of an address on the network every value behind the question mark goes, whatever its name is, and every part of the
    path that looks as if nobody had thought it up.
    """
    return _SECRET.sub(r"\1=***", _ON_THE_NETWORK.sub(_without_values, _USER_INFO.sub("", text)))


def _without_values(address: re.Match[str]) -> str:
    start, path, query = address.group("start", "path", "query")
    shown = "/".join("***" if _looks_drawn(part) else part for part in path.split("/"))
    query = query or ""
    if "@" in query and "=" not in query.partition("@")[0]:  # it may be a password whose ? was not written as %3F
        query = "?***"
    return start + shown + _VALUE.sub(r"\1=***", query)


def _looks_drawn(part: str) -> bool:
    """Whether a part of a path looks like a key or a token: long, and letters and digits change all the time."""
    kinds = ["0" if letter.isdigit() else "A" if letter.isupper() else "a" for letter in part if letter.isalnum()]
    return len(kinds) >= TOKEN_LENGTH and sum(one != other for one, other in pairwise(kinds)) >= TOKEN_CHANGES


def parse(text: str) -> SourceUri:
    """Understand a source.

    Raises:
        UsageError: an unknown scheme or parameter, a bad number, a character that has no place there. The message
            names the scheme; it never holds a password.
    """
    if not text:
        raise UsageError("the source is empty", hint=KNOWN)
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        raise UsageError("the source has control characters", hint="remove line breaks and the like")
    if re.fullmatch(r"\d{1,4}", text, re.ASCII):
        return SourceUri(text, "v4l2", device=f"/dev/video{int(text)}")
    if _DEVICE.fullmatch(text) and not _NO_CAMERA.fullmatch(text):
        return SourceUri(text, "v4l2", device=text)
    scheme, separator, rest = text.partition("://")
    if not separator or "/" in scheme:
        return SourceUri(text, "path", path=text)
    match scheme.lower():
        case "csi":
            return _csi(text, rest)
        case "v4l2":
            return _v4l2(text, rest)
        case "rtsp" | "rtsps":
            return _network(text, scheme.lower(), rest, "rtsp")
        case "http" | "https":
            return _network(text, scheme.lower(), rest, "http")
        case "synthetic":
            return _synthetic(text, rest)
        case "file":
            raise UsageError("file://: unknown scheme", hint="give the path itself, without file://")
    # Never the whole text: it may hold a password.
    name = scheme if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,30}", scheme, re.ASCII) else "?"
    raise UsageError(f"{name}://: unknown scheme", hint=KNOWN)


def _csi(text: str, rest: str) -> SourceUri:
    sensor, _, query = rest.partition("?")
    if not re.fullmatch(r"\d{1,2}", sensor.rstrip("/"), re.ASCII):
        raise UsageError(f"csi://: {sensor!r} is not a sensor's number", hint="the first camera is csi://0")
    options = _options("csi", query, ("width", "height", "fps", "flip"))
    width, height = _sides("csi", options)
    flip = _choice("csi", "flip", options, FLIPS, "none")
    number = int(sensor.rstrip("/"))
    return SourceUri(text, "csi", sensor=number, width=width, height=height, fps=_rate("csi", options), flip=flip)


def _v4l2(text: str, rest: str) -> SourceUri:
    device, _, query = rest.partition("?")
    if not _DEVICE.fullmatch(device):
        hint = "for example v4l2:///dev/video0 or v4l2:///dev/v4l/by-id/NAME; list them with: ls /dev/video*"
        raise UsageError(f"v4l2://: {device!r} is not a camera's device", hint=hint)
    options = _options("v4l2", query, ("width", "height", "fps", "format", "decoder", "flip"))
    width, height = _sides("v4l2", options)
    return SourceUri(
        text,
        "v4l2",
        device=device,
        width=width,
        height=height,
        fps=_rate("v4l2", options),
        format=_choice("v4l2", "format", options, FORMATS, "any"),
        decoder=_choice("v4l2", "decoder", options, DECODERS, "cpu"),
        flip=_choice("v4l2", "flip", options, FLIPS, "none"),
    )


def _network(text: str, scheme: str, rest: str, kind: Literal["rtsp", "http"]) -> SourceUri:
    if not _ADDRESS.fullmatch(rest):
        hint = "write spaces, quotes, # and non-ASCII characters as %XX"
        raise UsageError(f"{scheme}://: the address has a character that has no place there", hint=hint)
    # Up to the last @ before the path, so that an @ in a password does no harm.
    place = re.split(r"[/?]", rest, maxsplit=1)[0]
    info, at, place_only = place.rpartition("@")
    user, colon, password = info.partition(":")
    if fault := place_fault(place_only):
        # The text stays out of the message where it may hold a password: before an @, or where a port should be.
        quoted = "" if "@" in rest or not re.fullmatch(r"[^:]*(:\d*)?|\[.*", place_only) else f" in {rest!r}"
        hint = f"for example {scheme}://192.168.1.20/stream; write / ? # and @ of a password as %2F %3F %23 %40"
        raise UsageError(f"{scheme}://: {fault}{quoted}", hint=hint)
    return SourceUri(
        text,
        kind,
        url=f"{scheme}://{rest[len(info) + len(at) :]}",
        user=unquote(user) if at else None,
        password=unquote(password) if colon else None,
    )


def _synthetic(text: str, rest: str) -> SourceUri:
    if not _ADDRESS.fullmatch(rest) or "[" in rest:
        raise UsageError(f"{text}: not a URI", hint="there is synthetic://drive")
    scene, _, query = rest.partition("?")
    if scene.rstrip("/") != "drive":
        raise UsageError(f"{text}: unknown synthetic scene {scene!r}", hint="there is synthetic://drive")
    options = _options("synthetic", query, ("fps", "seed"))
    fps = _rate("synthetic", options)
    seed = options.get("seed", "0")
    if not re.fullmatch(r"\d{1,9}", seed, re.ASCII):
        raise UsageError(f"synthetic://: seed {seed!r} is not a whole number from 0 to 999999999")
    return SourceUri(text, "synthetic", fps=30.0 if fps is None else fps, seed=int(seed))


def _options(scheme: str, query: str, known: tuple[str, ...]) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    names = [name for name, _ in pairs]
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"{scheme}://: unknown parameter {unknown[0]!r}", hint=f"known: {', '.join(known)}")
    if twice := [name for name in options if names.count(name) > 1]:
        raise UsageError(f"{scheme}://: {twice[0]} is given twice")
    return options


def _sides(scheme: str, options: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Width and height, both or none."""
    if ("width" in options) != ("height" in options):
        raise UsageError(f"{scheme}://: width and height go together", hint="give both or none")
    width, height = (_side(scheme, name, options[name]) if name in options else None for name in ("width", "height"))
    return width, height


def _side(scheme: str, name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not SIDE[0] <= int(text) <= SIDE[1]:
        raise UsageError(f"{scheme}://: {name} {text!r} is not a number of pixels from {SIDE[0]} to {SIDE[1]}")
    return int(text)


def _rate(scheme: str, options: Mapping[str, str]) -> float | None:
    text = options.get("fps")
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,5}(\.\d{1,6})?", text, re.ASCII) or not RATE[0] <= float(text) <= RATE[1]:
        raise UsageError(f"{scheme}://: fps {text!r} is not a number from {RATE[0]:g} to {RATE[1]:g}")
    return float(text)


def _choice(scheme: str, name: str, options: Mapping[str, str], known: Mapping[str, _T], default: _T) -> _T:
    text = options.get(name)
    if text is None:
        return default
    if text not in known:
        raise UsageError(f"{scheme}://: unknown {name} {text!r}", hint=f"one of: {', '.join(known)}")
    return known[text]
