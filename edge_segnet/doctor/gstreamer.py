"""GStreamer, and the elements that each camera of the settings and RTSP out need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from edge_segnet.core import uris
from edge_segnet.core.errors import EdgeSegnetError, InputError, UsageError
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.report import OUTSIDE, SETTINGS, Finding, green, grey, red, yellow
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sinks.rtsp.settings import RtspConfig
from edge_segnet.sources import gst, gst_plan
from edge_segnet.sources.live import Terms

SIZE: Final = (640, 480)
DECODED: Final = ("video/x-h264", "video/x-h265")
LIBAV: Final = "install gstreamer1.0-libav (on a Jetson also nvidia-l4t-gstreamer)"
ENCODERS: Final = ("nvv4l2h264enc", "x264enc", "openh264enc")
"""Of RTSP out, as in sinks/rtsp."""


def needs_gstreamer(camera: CameraConfig) -> bool:
    """Whether nothing else can read it: CSI cameras and raw pipelines."""
    return camera.pipeline is not None or uris.parse(camera.source or "").kind == "csi"


def check(context: Context) -> Iterator[Finding]:
    """The library, then each camera."""
    cameras = {} if context.config is None else context.config.cameras
    live = {name: camera for name, camera in cameras.items() if _is_live(camera)}
    try:
        loaded = gst.load()
    except InputError as error:
        if any(map(needs_gstreamer, live.values())):
            yield red("gstreamer", OUTSIDE, error.message, error.hint)
        elif live:
            yield yellow("gstreamer", f"{error.message}: OpenCV reads the cameras instead", error.hint)
        else:
            yield grey("gstreamer", f"{error.message}; no camera of the settings needs it")
        return
    import gi

    number = ".".join(map(str, loaded.version()[:3]))
    yield green("gstreamer", f"GStreamer {number}, PyGObject {gi.__version__}", version=number)
    for name, camera in live.items():
        yield _elements(name, camera)
    if any(_is_rtsp(camera) for camera in live.values()):
        yield _decoders(loaded)
    if context.config is not None and context.config.section("rtsp", RtspConfig) is not None:
        yield _rtsp_out()


def _is_live(camera: CameraConfig) -> bool:
    return camera.pipeline is not None or uris.parse(camera.source or "").live


def _is_rtsp(camera: CameraConfig) -> bool:
    return camera.source is not None and uris.parse(camera.source).kind == "rtsp"


def _elements(name: str, camera: CameraConfig) -> Finding:
    try:
        if camera.pipeline is not None:
            gst.parse_bin(camera.pipeline)
            return green("elements", "the pipeline is sound, and all its elements are installed", name)
        source = uris.parse(camera.source or "")
        if source.kind == "http":
            return green("elements", "none are needed: MJPEG is read by the program itself", name)
        nvidia = source.kind == "csi" or (source.kind == "rtsp" and gst.has("nvvidconv"))
        head = gst_plan.head(source, Terms.of(camera))
        steps = [*head, *gst_plan.tail(SIZE, "stretch", camera.turn, nvidia=nvidia)]
    except UsageError as error:
        return red("elements", SETTINGS, error.message, error.hint, name)
    except EdgeSegnetError as error:
        return red("elements", OUTSIDE, error.message, error.hint, name)
    names = list(dict.fromkeys(step.factory for step in steps))
    missing = [element for element in names if not gst.has(element)]
    if not missing:
        return green("elements", f"all {len(names)} are installed ({names[0]} ... {names[-1]})", name)
    packages = dict.fromkeys(gst.PACKAGES.get(element, "gstreamer1.0-plugins-base") for element in missing)
    seen, remedy = f"GStreamer has no {', '.join(missing)}", f"install {', '.join(packages)}"
    if gst_plan.first_missing(head, gst.has) is not None and source.kind != "csi":
        return yellow("elements", f"{seen}: OpenCV reads this camera instead", remedy, name, missing=missing)
    return red("elements", OUTSIDE, seen, remedy, name, missing=missing)


def _decoders(loaded: Any) -> Finding:
    """Network cameras send H.264 or H.265."""
    kind = loaded.ELEMENT_FACTORY_TYPE_DECODER | loaded.ELEMENT_FACTORY_TYPE_MEDIA_VIDEO
    factories = loaded.ElementFactory.list_get_elements(kind, loaded.Rank.MARGINAL)
    found, lacking = [], []
    for media in DECODED:
        caps = loaded.Caps.from_string(media)
        fitting = loaded.ElementFactory.list_filter(factories, caps, loaded.PadDirection.SINK, False)
        fitting.sort(key=lambda factory: -factory.get_rank())
        label = media.removeprefix("video/x-").upper().replace("H26", "H.26")
        if fitting:
            found.append(f"{label} by {fitting[0].get_name()}")
        else:
            lacking.append(label)
    if "H.264" in lacking:
        return red("decoders", OUTSIDE, "GStreamer can't decode H.264, which most network cameras send", LIBAV)
    if lacking:
        return yellow("decoders", f"{', '.join(found)}; nothing decodes {lacking[0]}", f"if a camera sends it: {LIBAV}")
    return green("decoders", ", ".join(found))


def _rtsp_out() -> Finding:
    import gi

    try:
        gi.require_version("GstRtspServer", "1.0")
    except ValueError:
        remedy = "apt install gir1.2-gst-rtsp-server-1.0"
        return red("rtsp out", OUTSIDE, "GStreamer's RTSP server is not installed", remedy)
    encoder = next(filter(gst.has, ENCODERS), None)
    if encoder is None:
        remedy = "apt install gstreamer1.0-plugins-ugly (x264enc), or -bad (openh264enc)"
        return red("rtsp out", OUTSIDE, "GStreamer has no H.264 encoder", remedy)
    return green("rtsp out", f"H.264 by {encoder}")
