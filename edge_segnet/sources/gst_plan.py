"""Which GStreamer elements a camera needs, with which properties. Plain data: nothing is loaded or opened here.

Elements are made by name and get their properties through the API. No text of a user is ever parsed as a pipeline,
but for ``pipeline:`` in the config file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from edge_segnet.core.errors import InputError
from edge_segnet.core.types import Fit
from edge_segnet.core.uris import Flip, SourceUri, quarter
from edge_segnet.sources.live import Terms

Value = str | int | float | bool
COMFORTABLE: Final = (640, 480, 24.0)
"""Without a wish: the smallest picture and rate of a USB camera that are at least this."""

_NVVIDCONV: Final[dict[Flip, int]] = {
    "none": 0,
    "rotate-270": 1,
    "rotate-180": 2,
    "rotate-90": 3,
    "horizontal": 4,
    "vertical": 6,
}
_VIDEOFLIP: Final[dict[Flip, str]] = {
    "rotate-90": "90r",
    "rotate-180": "180",
    "rotate-270": "90l",
    "horizontal": "horiz",
    "vertical": "vert",
}


@dataclass(frozen=True)
class Step:
    """One element. ``optional`` properties are set where this version of the element has them."""

    factory: str
    properties: Mapping[str, Value] = field(default_factory=dict, repr=False)
    optional: Mapping[str, Value] = field(default_factory=dict, repr=False)
    name: str = ""


def head(source: SourceUri, terms: Terms) -> list[Step]:
    """From the camera to decoded video."""
    match source.kind:
        case "csi":
            return [
                Step("nvarguscamerasrc", {"sensor-id": source.sensor}, name="camera"),
                Step("capsfilter", {"caps": "video/x-raw(memory:NVMM),format=NV12" + _wishes(source)}, name="mode"),
            ]
        case "v4l2":
            # JPEGs come as they are: GStreamer's decoder does not tell a half one from a whole one.
            return [Step("v4l2src", {"device": source.device}, name="camera"), Step("capsfilter", name="mode")]
        case "rtsp":
            return [
                Step("rtspsrc", _rtsp(source, terms), name="camera"),
                Step("decodebin"),
            ]
    raise ValueError(source.kind)


def jpeg_decoder() -> Step:
    """A Jetson's JPEG engine: it leaves pictures where its converter reads them. (``nvv4l2decoder mjpeg=1`` does so as
    well, but not on Thor.)
    """
    return Step("nvjpegdec", name="decoder")


def _rtsp(source: SourceUri, terms: Terms) -> dict[str, Value]:
    properties: dict[str, Value] = {
        "location": source.url,
        "protocols": "udp" if terms.transport == "udp" else "tcp",
        # Never "drop-on-latency": it takes B-frames, whose timestamps go back, for late ones.
        "latency": terms.latency_ms,
        "tcp-timeout": int(terms.connect_s * 1e6),
        # Zero: never change to TCP by itself. That nothing comes is for the supervisor to notice.
        "timeout": 0,
    }
    return properties | _credentials(source)


def _credentials(source: SourceUri) -> dict[str, Value]:
    if source.user is None:
        return {}
    return {"user-id": source.user, "user-pw": source.password or ""}


def tail(size: tuple[int, int], fit: Fit, flip: Flip, *, nvidia: bool) -> list[Step]:
    """From decoded video to BGR, or BGRx, at network size (width, height). ``nvidia``: by the Jetson's converter."""
    caps = {"caps": size_caps(size, fit, flip, nvidia=nvidia)}
    if nvidia:
        return [
            Step("nvvidconv", {"flip-method": _NVVIDCONV[flip]}, {"interpolation-method": 1}, "first"),
            Step("capsfilter", caps, name="size"),
            newest(),
        ]
    crop = [Step("aspectratiocrop", {"aspect-ratio": aspect(size, flip)}, name="first")] if fit == "crop" else []
    turn = [Step("videoflip", {"video-direction": _VIDEOFLIP[flip]})] if flip != "none" else []
    # Scaled before it is converted, so that few pixels are converted; multi-tap, as shrinking needs.
    scale = Step("videoscale", {"add-borders": False, "method": "bilinear2"}, name="" if crop else "first")
    return [
        *crop,
        scale,
        Step("capsfilter", caps, name="size"),
        Step("videoconvert"),
        Step("capsfilter", {"caps": "video/x-raw,format=BGR"}),
        *turn,
        newest(),
    ]


def newest() -> Step:
    """The end of every pipeline: it keeps one picture, the newest."""
    sink: dict[str, Value] = {"max-buffers": 1, "sync": False, "emit-signals": False, "enable-last-sample": False}
    # "drop" is deprecated from GStreamer 1.28 on, where "leaky-type" says the same.
    return Step("appsink", sink, {"leaky-type": "downstream", "drop": True}, "sink")


def aspect(size: tuple[int, int], flip: Flip) -> str:
    """What ``aspectratiocrop`` shall leave, as a fraction."""
    width, height = quarter(size, flip)
    return f"{width}/{height}"


def size_caps(size: tuple[int, int], fit: Fit, flip: Flip, *, nvidia: bool) -> str:
    """What the scaler shall make."""
    if nvidia:
        # nvvidconv turns and scales in one step, but can't cut out the middle of a picture of unknown size.
        return "video/x-raw,format=BGRx" + (f",width={size[0]},height={size[1]}" if fit == "stretch" else "")
    width, height = quarter(size, flip)
    return f"video/x-raw,width={width},height={height}"


def _wishes(source: SourceUri) -> str:
    caps = ""
    if source.width is not None:
        caps += f",width={source.width},height={source.height}"
    if source.fps is not None:
        rate = Fraction(source.fps).limit_denominator(1001)
        caps += f",framerate={rate.numerator}/{rate.denominator}"
    return caps


@dataclass(frozen=True)
class Mode:
    """One thing that a USB camera can do."""

    media: str
    width: int
    height: int
    rates: tuple[Fraction, ...]

    @property
    def is_jpeg(self) -> bool:
        return self.media == "image/jpeg"

    @property
    def caps(self) -> str:
        """For a capsfilter; the first of the rates."""
        rate = f",framerate={self.rates[0].numerator}/{self.rates[0].denominator}" if self.rates else ""
        return f"{self.media},width={self.width},height={self.height}{rate}"


def choose_mode(offered: str, source: SourceUri) -> Mode:
    """The best of what a USB camera offers (``offered``: its caps as text) for what was asked.

    Raises:
        InputError: it can't do that; names what it can do.
    """
    modes = _modes(offered, source.fps)
    media = {"raw": "video/x-raw", "mjpeg": "image/jpeg"}.get(source.format)
    fitting = [mode for mode in modes if media in (None, mode.media)]
    if source.width is not None:
        fitting = [mode for mode in fitting if (mode.width, mode.height) == (source.width, source.height)]
    if (fps := source.fps) is not None:
        fitting = [_at(mode, fps) for mode in fitting if any(_near(rate, fps) for rate in mode.rates)]
    if not fitting:
        asked = " ".join(
            part
            for part in (
                "" if source.format == "any" else source.format,
                "" if source.width is None else f"{source.width}x{source.height}",
                "" if fps is None else f"at {fps:g} frames/s",
            )
            if part
        )
        can = ", ".join(sorted({_shown(mode) for mode in modes})[:12]) or "nothing that can be read here"
        raise InputError(f"{source.shown}: the camera can't do {asked or 'video'}", hint=f"it can do {can}")
    return min(fitting, key=_discomfort)


def offered(caps: str) -> list[str]:
    """Every mode of a USB camera's caps in words, ``mjpeg 1280x720 at 30``, largest and quickest first."""
    modes = sorted(_modes(caps, None), key=lambda mode: (-mode.width * mode.height, -max(mode.rates, default=0)))
    return list(dict.fromkeys(map(_shown, modes)))


def _modes(offered: str, fps: float | None) -> list[Mode]:
    modes = []
    for text in offered.split(";"):
        found = re.match(r"\s*(video/x-raw|image/jpeg)(?![^,]*NVMM)\b", text)
        width, height = (re.search(rf"\b{side}=\(int\)(\d+)", text) for side in ("width", "height"))
        if found and width and height:
            listed = text.partition("framerate=")[2]
            modes.append(Mode(found[1], int(width[1]), int(height[1]), _rates(listed, fps)))
    return modes


def _rates(listed: str, fps: float | None) -> tuple[Fraction, ...]:
    """``(fraction)30/1``, ``{ 30/1, 15/1 }``, or the range ``[ 1/1, 60/1 ]``, in which ``fps`` may lie; best first."""
    rates = {Fraction(int(up), int(down)) for up, down in re.findall(r"(\d+)/([1-9]\d*)", listed)}
    if "[" in listed and fps is not None and float(min(rates)) <= fps <= float(max(rates)):
        rates.add(Fraction(fps).limit_denominator(1001))
    return tuple(sorted(rates - {Fraction(0)}, reverse=True))


def _near(rate: Fraction, fps: float) -> bool:
    return abs(float(rate) - fps) <= 0.02 * fps


def _at(mode: Mode, fps: float) -> Mode:
    return Mode(mode.media, mode.width, mode.height, (min(mode.rates, key=lambda rate: abs(float(rate) - fps)),))


def _shown(mode: Mode) -> str:
    kind = "mjpeg" if mode.is_jpeg else "raw"
    return f"{kind} {mode.width}x{mode.height}" + (f" at {float(mode.rates[0]):g}" if mode.rates else "")


def _discomfort(mode: Mode) -> tuple[bool, bool, int, float, bool]:
    """Small is good, but not below ``COMFORTABLE``; uncompressed is better than JPEG."""
    width, height, fps = COMFORTABLE
    rate = float(mode.rates[0]) if mode.rates else fps
    small = mode.width < width or mode.height < height
    area = mode.width * mode.height
    return rate < fps, small, -area if small else area, -rate, mode.is_jpeg


def first_missing(steps: list[Step], has: Callable[[str], bool]) -> str | None:
    """The name of the first element that is not installed."""
    return next((step.factory for step in steps if not has(step.factory)), None)
