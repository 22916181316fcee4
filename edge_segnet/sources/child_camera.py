"""The process that reads one camera (its other end: ``child``). It may hang, leak and die: nobody else does.

One thread hears what the service wants, the other draws pictures into shared memory. The newest is sent when it is
asked for: who is late never gets an old one.

    service -> camera   {"want": true, "free": [slots]}   {"size": [w, h], "generation": n} + memory
    camera -> service   {"frame": {...}}   {"damaged": n}   {"error": class, "message": text, "hint": text}
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import socket
import threading
import traceback
from dataclasses import dataclass, field, replace
from typing import Any, Final

from edge_segnet.core import uris
from edge_segnet.core.errors import BadFrame, EdgeSegnetError, SourceLost
from edge_segnet.core.processes import end_with_parent
from edge_segnet.core.types import Frame, Image
from edge_segnet.sources import gst
from edge_segnet.sources.live import FrameFormat, LiveSource, Terms
from edge_segnet.sources.slots import COUNT, Slots
from edge_segnet.sources.wire import receive, send

POLL_S: Final = 0.1
"""So long a new size waits while the camera is silent."""
SPARE_MB: Final = 512
"""Above the memory limit: address space of thread stacks and the like, which nobody touches."""
FIRST_TO_GO: Final = "300"
"""When the machine's memory ends, rather a camera than the service."""
_PR_SET_NAME: Final = 15
"""prctl(2), linux/prctl.h: the name in ps."""


@dataclass
class Desk:
    """The pictures' way out: drawn in a free slot, sent from it when the service asks."""

    end: socket.socket
    slots: Slots
    generation: int = 0
    _free: set[int] = field(default_factory=lambda: set(range(COUNT)))
    _drawing: int = -1
    _ready: dict[str, Any] | None = None
    _wanted: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def canvas(self, size: tuple[int, int]) -> Image | None:
        """Where the next picture of (width, height) can be drawn at once; None: it must come by ``put``."""
        with self._lock:
            if size != self.slots.size:
                return None
            if self._drawing < 0 and self._free:
                self._drawing = self._free.pop()
            elif self._drawing < 0 and self._ready is not None:
                self._drawing, self._ready = self._ready["slot"], None
            return None if self._drawing < 0 else self.slots.canvas(self._drawing)

    def put(self, frame: Frame, canvas: Image | None, damaged: int) -> None:
        """Send a picture, now or when it is asked for; it takes the place of the one that waits."""
        height, width = frame.image.shape[:2]
        target = canvas if canvas is not None else self.canvas((width, height))
        if target is None:
            return  # the service keeps all slots, or wants another size by now
        if target is not frame.image:
            target[:] = frame.image
        with self._lock:
            if self._drawing < 0:
                return  # the size changed meanwhile
            if self._ready is not None:
                self._free.add(self._ready["slot"])
            self._ready = {
                "slot": self._drawing,
                "generation": self.generation,
                "seq": frame.seq,
                "captured_ns": frame.captured_ns,
                "captured_at": frame.captured_at,
                "source": frame.source_size,
                "whole": frame.whole,
                "conversions": frame.conversions,
                "copies": frame.copies + (target is not frame.image),
                "damaged": damaged,
            }
            self._drawing = -1
            self._deliver()

    def want(self, free: list[int], picture: bool) -> None:
        """The service gives slots back, and asks for a picture."""
        with self._lock:
            self._free.update(free)
            self._wanted |= picture
            self._deliver()

    def resize(self, slots: Slots, generation: int) -> None:
        """From now on in other memory."""
        with self._lock:
            self.slots, self.generation = slots, generation
            self._free, self._drawing, self._ready = set(range(COUNT)), -1, None

    def tell(self, message: dict[str, Any]) -> None:
        with self._lock:
            send(self.end, message)

    def _deliver(self) -> None:
        if self._wanted and self._ready is not None:
            ready, self._ready, self._wanted = self._ready, None, False
            send(self.end, {"frame": ready})


def main(order: dict[str, Any], end: socket.socket, memory: int) -> None:
    """Read the camera of ``order`` until it is gone, or the service."""
    _settle(order)
    frame_format = FrameFormat(**order["format"] | {"size": tuple(order["format"]["size"])})
    desk = Desk(end, Slots(frame_format.size, memory))
    sizes: list[tuple[int, int]] = []
    threading.Thread(target=_listen, args=(desk, sizes), daemon=True).start()
    try:
        _watch(order, frame_format, desk, sizes)
    except EdgeSegnetError as error:
        desk.tell({"error": type(error).__name__, "message": error.message, "hint": error.hint})
    except OSError:
        pass  # the service is gone
    except Exception as error:  # noqa: BLE001 - the service shall know
        text = f"unexpected {type(error).__name__}: {error}"
        desk.tell({"error": "SourceLost", "message": text, "hint": "", "trace": traceback.format_exc()[-4000:]})
    os._exit(0)


def _watch(order: dict[str, Any], frame_format: FrameFormat, desk: Desk, sizes: list[tuple[int, int]]) -> None:
    canvas: list[Image | None] = [None]

    def place(size: tuple[int, int]) -> Image | None:
        canvas[0] = desk.canvas(size)
        return canvas[0]

    source = open_here(order, Terms(**order["terms"]), frame_format, place, alone=True)
    told = 0
    while True:
        if sizes:
            source.resize(sizes.pop())
            sizes.clear()
        try:
            frame = source.read(POLL_S)
        except BadFrame as error:
            desk.tell({"bad": error.message})
            continue
        if frame is not None:
            desk.put(frame, canvas[0] if canvas[0] is frame.image else None, source.damaged)
        if source.damaged != told:
            told = source.damaged
            desk.tell({"damaged": told})


def open_here(
    order: dict[str, Any], terms: Terms, frame_format: FrameFormat, place: Any, *, alone: bool = False
) -> LiveSource:
    """The camera itself, in this process: through GStreamer where it has all that this camera needs, else OpenCV.
    ``alone``: nobody else needs the process's standard output.

    Raises:
        InputError, UsageError: it is not there, or can't work.
    """
    from edge_segnet.sources import gstreamer

    if order["pipeline"]:
        return gstreamer.open_pipeline(order["pipeline"], gstreamer.Opening(None, terms, frame_format, place))
    source = replace(uris.parse(order["source"]), device=order["device"])
    if source.kind == "http":
        from edge_segnet.sources.mjpeg import MjpegCamera

        return MjpegCamera(source, terms, frame_format, place)
    if order["gstreamer"] and gstreamer.usable(source, terms):
        return gstreamer.open_uri(gstreamer.Opening(source, terms, frame_format, place))
    from edge_segnet.sources.opencv_camera import Murmur, OpenCvCamera

    return OpenCvCamera(source, terms, frame_format, Murmur() if alone else None, place)


def _listen(desk: Desk, sizes: list[tuple[int, int]]) -> None:
    """It ends with the service, whatever the other thread hangs in."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        while True:
            order, descriptors = receive(desk.end)
            if order is None:
                break
            if "size" in order:
                size = (order["size"][0], order["size"][1])
                slots = Slots(size, descriptors[0])
                slots.close()
                sizes.append(size)
                desk.resize(slots, order["generation"])
            else:
                desk.want(order["free"], order["want"])
    os._exit(0)


def _settle(order: dict[str, Any]) -> None:
    """Limits, a name, and an end together with the nursery."""
    end_with_parent()
    ctypes.CDLL(None).prctl(_PR_SET_NAME, f"cam {order['format']['camera']}".encode()[:15], 0, 0, 0)
    if os.getppid() == 1:
        raise SourceLost("the nursery is gone")
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as adjust:  # noqa: PTH123
        adjust.write(FIRST_TO_GO)
    # NVIDIA's elements reserve address space without end.
    if not gst.has("nvvidconv"):
        limit = (order["memory_mb"] + SPARE_MB) << 20
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
