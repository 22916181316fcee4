"""GStreamer itself: loaded when it is first needed, elements made from steps, messages in one line."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import c_size_t, c_void_p
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.errors import InputError, UsageError
from edge_segnet.sources.gst_plan import Step

INSTALL: Final = (
    "install gir1.2-gst-plugins-base-1.0, gstreamer1.0-plugins-good, -plugins-bad, -libav, and python3-gi or the extra "
    "'gstreamer'"
)
PACKAGES: Final = {
    "nvarguscamerasrc": "nvidia-l4t-gstreamer (a Jetson's own package)",
    "nvjpegdec": "nvidia-l4t-gstreamer (a Jetson's own package)",
    "nvvidconv": "nvidia-l4t-gstreamer (a Jetson's own package)",
    "rtspsrc": "gstreamer1.0-plugins-good",
    "v4l2src": "gstreamer1.0-plugins-good",
    "aspectratiocrop": "gstreamer1.0-plugins-good",
    "videoflip": "gstreamer1.0-plugins-good",
}
DECODERS: Final[dict[str, dict[str, bool]]] = {
    # A Jetson's decoder holds pictures back unless it is told that their order is plain.
    "nvv4l2decoder": {"disable-dpb": True, "enable-max-performance": True},
}


@lru_cache(maxsize=1)
def load() -> Any:
    """``gi.repository.Gst``, initialised.

    Raises:
        InputError: GStreamer or its Python binding is not installed.
    """
    try:
        import gi

        for name in ("Gst", "GstApp", "GstVideo"):
            gi.require_version(name, "1.0")
        from gi.repository import Gst, GstApp, GstVideo  # noqa: F401 - the types behind appsink and its buffers
    except (ImportError, ValueError, AttributeError, OSError) as error:
        # A folder gi that is empty, or may not be read, is a package without a name in it.
        raise InputError(f"GStreamer is not usable ({error})", hint=INSTALL) from error
    Gst.init_check(None)
    return Gst


def has(factory: str) -> bool:
    """Is the element installed? False as well where GStreamer is not."""
    try:
        return load().ElementFactory.find(factory) is not None
    except InputError:
        return False


def plugin_of(factory: str) -> str:
    """The plug-in that brings an element; empty where it is not installed."""
    found = load().ElementFactory.find(factory)
    return "" if found is None else found.get_plugin_name() or ""


def make(step: Step) -> Any:
    """The element of a step.

    Raises:
        InputError: it is not installed.
    """
    element = load().ElementFactory.make(step.factory, step.name or None)
    if element is None:
        package = PACKAGES.get(step.factory, "the GStreamer plug-in that has it")
        raise InputError(f"GStreamer has no element {step.factory}", hint=f"install {package}")
    for key, value in step.properties.items():
        set_value(element, key, value)
    for key, value in step.optional.items():
        if element.find_property(key) is not None:
            set_value(element, key, value)
    return element


class _MapInfo(ctypes.Structure):
    """``GstMapInfo`` of gstmemory.h."""

    _fields_ = (
        ("memory", c_void_p),
        ("flags", ctypes.c_int),
        ("data", c_void_p),
        ("size", c_size_t),
        ("maxsize", c_size_t),
        ("user_data", 4 * c_void_p),
        ("reserved", 4 * c_void_p),
    )


_MAP_READ: Final = 1


@lru_cache(maxsize=1)
def _mapping() -> tuple[Callable[..., int], Callable[..., None]] | None:
    """``gst_buffer_map`` and its end: the binding would make a copy. None: this binding shows no addresses."""
    library = ctypes.CDLL("libgstreamer-1.0.so.0")
    begin, end = library.gst_buffer_map, library.gst_buffer_unmap
    begin.restype, begin.argtypes = ctypes.c_int, [c_void_p, ctypes.POINTER(_MapInfo), ctypes.c_int]
    end.restype, end.argtypes = None, [c_void_p, ctypes.POINTER(_MapInfo)]
    probe, info = load().Buffer.new_wrapped(b"probe"), _MapInfo()
    # The hash of a boxed value is its address, on which NVIDIA's own bindings rely as well.
    if hash(probe) <= 1 << 12 or not begin(hash(probe), ctypes.byref(info), _MAP_READ):
        return None
    seen = ctypes.string_at(info.data, info.size)
    end(hash(probe), ctypes.byref(info))
    return (begin, end) if seen == b"probe" else None


@contextmanager
def mapped(buffer: Any) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """A buffer's bytes, uint8, as long as the block lasts, and how often they were copied for that."""
    functions, info = _mapping(), _MapInfo()
    if functions is None or not functions[0](hash(buffer), ctypes.byref(info), _MAP_READ):
        yield np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8), 1
        return
    try:
        found: NDArray[np.uint8] = np.frombuffer((ctypes.c_uint8 * info.size).from_address(info.data or 0), np.uint8)
        yield found, 0
    finally:
        functions[1](hash(buffer), ctypes.byref(info))


def set_value(element: Any, key: str, value: Any) -> None:
    """Set a property; caps, enumerations and flags are given by their names."""
    gst = load()
    pspec = element.find_property(key)
    if isinstance(value, str) and pspec.value_type.name == "GstCaps":
        element.set_property(key, gst.Caps.from_string(value))
    elif isinstance(value, str) and pspec.value_type.name != "gchararray":
        gst.util_set_object_arg(element, key, value)
    else:
        element.set_property(key, value)


def parse_bin(description: str) -> Any:
    """The config file's raw pipeline as one element with a source pad.

    Raises:
        UsageError: it can't be parsed, or does not end in raw video.
        InputError: it names an element that is not installed.
    """
    gst = load()
    from gi.repository import GLib

    try:
        # An element at the end lets a pipeline end in caps, or in an element that makes its pads late.
        made = gst.parse_bin_from_description(f"{description} ! identity name=end", False)
    except GLib.Error as error:
        if error.matches(gst.parse_error_quark(), gst.ParseError.NO_SUCH_ELEMENT):
            raise InputError(f"pipeline: {error.message}", hint="install the GStreamer plug-in that has it") from error
        hint = "it must end in raw video, without a sink; try it with gst-launch-1.0 and ! fakesink at its end"
        raise UsageError(f"pipeline: {error.message}", hint=hint) from error
    pad = made.get_by_name("end").get_static_pad("src")
    caps = pad.query_caps(None).to_string()
    if not caps.startswith(("ANY", "video/x-raw")):
        raise UsageError(
            f"pipeline: ends in {caps.partition(',')[0]}", hint="it must end in raw video: ... ! decodebin"
        )
    made.add_pad(gst.GhostPad.new("src", pad))
    return made


def chain(pipeline: Any, elements: Sequence[Any]) -> None:
    """Add elements to a pipeline and link each to the next, those that make their pads late when they do."""
    for element in elements:
        pipeline.add(element)
    for element, following in pairwise(elements):
        if element.get_static_pad("src") is not None:
            if not element.link(following):
                raise InputError(f"GStreamer can't link {element.get_name()} to {following.get_name()}")
        else:
            element.connect("pad-added", _link, following)
        if element.get_factory().get_name() == "decodebin":
            element.connect("element-added", _tune)
        if element.get_factory().get_name() == "rtspsrc":
            element.connect("select-stream", _is_video)


def _link(_: Any, pad: Any, following: Any) -> None:
    caps = pad.get_current_caps() or pad.query_caps(None)
    kind = caps.to_string() if caps else ""
    sink = following.get_static_pad("sink")
    if not kind.startswith(("audio", "text")) and not sink.is_linked():
        pad.link(sink)


def _is_video(_: Any, __: int, caps: Any) -> bool:
    return "media=(string)video" in caps.to_string()


def _tune(_: Any, element: Any) -> None:
    factory = element.get_factory()
    for key, value in DECODERS.get(factory.get_name() if factory else "", {}).items():
        if element.find_property(key) is not None:
            element.set_property(key, value)


def explain(message: Any) -> str:
    """An error or warning of the bus in GStreamer's own words."""
    parse = message.parse_error if message.type == load().MessageType.ERROR else message.parse_warning
    error, debug = parse()
    words = " ".join((error.message or "unknown error").split()).rstrip(".")
    # The last line of the rest is the reason; the lines before it are places in GStreamer's own source.
    lines = (debug or "").strip().splitlines()
    reason = lines[-1].strip().rstrip(".") if len(lines) > 1 else ""
    return f"{words} ({reason})" if reason and reason not in words else words
