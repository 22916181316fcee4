"""A camera that a process of its own reads. Whatever it does there, it can be ended, and costs this camera only.

started --frames--> read --its word that the camera broke--> SourceLost
   `--silent for too long, or too much memory--> killed --> SourceLost; the supervisor opens another
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import select
import socket
import threading
import time
from typing import Any, Final

from edge_segnet.core import errors, uris
from edge_segnet.core.errors import BadFrame, SourceLost
from edge_segnet.core.types import Frame
from edge_segnet.core.uris import without_credentials
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import usb
from edge_segnet.sources.live import FrameFormat, Terms
from edge_segnet.sources.nursery import nursery
from edge_segnet.sources.slots import Slots
from edge_segnet.sources.wire import receive, send

CHECK_S: Final = 0.1
"""Between two looks at the memory of the process."""
WORK_S: Final = 1.0
"""Between two looks at the processor time of the process."""
HARD: Final = 0.3
"""Of one core."""
BEHIND: Final = 10
"""Nice value of a child that takes too much: a ninth of the weight of a loop beside it (the kernel's table, 110 to
1024).
"""
TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
KINDS: Final = {kind.__name__: kind for kind in (errors.UsageError, errors.InputError, SourceLost, errors.EndOfStream)}

logger = logging.getLogger(__name__)


class ChildSource:
    """Frames are in shared memory; ``original`` is not kept."""

    live = True

    def __init__(self, camera: CameraConfig, frame_format: FrameFormat, *, gstreamer: bool = True) -> None:
        """Start the process; whether there is a camera comes out of ``read``. ``gstreamer``: where it is installed.

        Raises:
            SourceLost: no process can be started.
        """
        self._shown = "pipeline" if camera.source is None else uris.parse(camera.source).shown
        self._format, self._memory_mb = frame_format, camera.memory_mb
        self.damaged = 0
        self._lock = threading.Lock()
        """Guards the socket and the slots: ``resize`` comes from another thread than ``read``."""
        self._asked = self._closed = False
        self._generation = 0
        self._checked = 0.0
        self._worked = (time.monotonic(), 0.0)
        self._pictures = 0
        self._slots = Slots(frame_format.size)
        order = _order(camera, frame_format) | {"gstreamer": gstreamer}
        self._end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._pid = nursery.start(order, [theirs.fileno(), self._slots.descriptor])
        except SourceLost:
            self._end.close()
            raise
        finally:
            self._slots.close()

    def read(self, timeout_s: float) -> Frame | None:
        """The newest frame, or None when none came in time.

        Raises:
            UsageError, InputError: there is no such camera, or it can't do what was asked.
            BadFrame: one could not be used.
            SourceLost: it gives no more frames, or the process died, or takes more memory than it may.
        """
        deadline = time.monotonic() + timeout_s
        with self._lock:
            while True:
                if self._closed:
                    raise SourceLost(f"{self._shown}: closed")
                self._check()
                self._ask()
                left_s = deadline - time.monotonic()
                if not self._comes(max(0.0, min(left_s, CHECK_S))):
                    if left_s <= CHECK_S:
                        return None
                    continue
                if (frame := self._take()) is not None:
                    return frame

    def resize(self, size: tuple[int, int]) -> None:
        """Frames come at ``size`` (width, height) from the next one on."""
        with self._lock:
            self._format = dataclasses.replace(self._format, size=size)
            self._slots, self._generation = Slots(size), self._generation + 1
            with contextlib.suppress(OSError):  # it died: read says so
                send(self._end, {"size": size, "generation": self._generation}, [self._slots.descriptor])
            self._slots.close()

    def close(self) -> None:
        """Kill the process; may be called twice, and while another thread reads."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._end.close()
        self._finish()

    def _ask(self) -> None:
        """For the newest picture: now, not one from before."""
        free = self._slots.free_again()
        if self._asked and not free:
            return
        with contextlib.suppress(OSError):
            send(self._end, {"want": not self._asked, "free": free})
        self._asked = True

    def _comes(self, timeout_s: float) -> bool:
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        return bool(poll.poll(1e3 * timeout_s))

    def _take(self) -> Frame | None:
        """Handle one message."""
        try:
            message, _ = receive(self._end)
        except (OSError, ValueError):
            message = None
        if message is None:
            raise SourceLost(f"{self._shown}: the process that reads it ended unexpectedly{self._how()}")
        if "error" in message:
            if "trace" in message:
                logger.debug("%s: %s", self._shown, without_credentials(message["trace"]))
            raise KINDS.get(message["error"], SourceLost)(message["message"], hint=message["hint"])
        if "bad" in message:
            raise BadFrame(message["bad"])
        if "damaged" in message:
            self.damaged = message["damaged"]
            return None
        self._asked = False
        self._pictures += 1
        return self._frame(message["frame"])

    def _frame(self, facts: dict[str, Any]) -> Frame | None:
        if facts["generation"] != self._generation:
            return None  # of a size that is not wanted any more
        self.damaged = facts["damaged"]
        image = self._slots.lend(facts["slot"])
        return Frame(
            image=image,
            original=None,
            seq=facts["seq"],
            captured_ns=facts["captured_ns"],
            captured_at=facts["captured_at"],
            camera=self._format.camera,
            scaled_from=(facts["source"][0], facts["source"][1]),
            whole=facts["whole"],
            conversions=facts["conversions"],
            copies=facts["copies"] + image.flags.owndata,  # a slot that has to be free again was copied
        )

    def _check(self) -> None:
        now = time.monotonic()
        if now - self._checked < CHECK_S:
            return
        self._checked = now
        self._check_time(now)
        try:
            with open(f"/proc/{self._pid}/statm", "rb") as file:  # noqa: PTH123 - often
                taken_mb = int(file.read().split()[1]) * PAGE >> 20
        except (OSError, IndexError, ValueError):
            return  # it is gone: its end of the line tells
        if taken_mb > self._memory_mb:
            words = f"its process took {taken_mb} MB of memory, and may take {self._memory_mb}"
            raise SourceLost(f"{self._shown}: {words}", hint="a camera that needs more: memory_mb")

    def _check_time(self, now: float) -> None:
        """Who works hard and gives no pictures waits behind those that do."""
        if now - self._worked[0] < WORK_S:
            return
        try:
            with open(f"/proc/{self._pid}/stat", "rb") as file:  # noqa: PTH123
                times = file.read().rpartition(b")")[2].split()[11:13]
            spent_s = sum(map(int, times)) / TICKS
            lazy = spent_s - self._worked[1] < HARD * (now - self._worked[0])
            if not lazy and self._pictures == 0:
                for thread in os.listdir(f"/proc/{self._pid}/task"):  # noqa: PTH208
                    os.setpriority(os.PRIO_PROCESS, int(thread), BEHIND)
        except (OSError, IndexError, ValueError):
            return
        self._worked, self._pictures = (now, spent_s), 0

    def _finish(self) -> int | None:
        """Its number is told once, as it may soon be another's."""
        pid, self._pid = self._pid, 0
        return nursery.end(pid) if pid else None

    def _how(self) -> str:
        status = self._finish()
        return f" (signal {-status})" if status is not None and status < 0 else ""


def _order(camera: CameraConfig, frame_format: FrameFormat) -> dict[str, Any]:
    """What the process must know. Not as arguments: those are seen by every user of the machine."""
    source = None if camera.source is None else uris.parse(camera.source)
    return {
        "source": camera.source,
        "device": usb.followed.device(source.device) if source is not None and source.kind == "v4l2" else "",
        "pipeline": camera.pipeline,
        "terms": dataclasses.asdict(Terms.of(camera)),
        "format": dataclasses.asdict(frame_format),
        "memory_mb": camera.memory_mb,
    }
