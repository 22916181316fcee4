"""A bound for what waits in a jitter buffer, which has none of its own: a sender who is quicker than his packets are
looked at fills the memory there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from edge_segnet.sources import gst

QUEUED_BYTES: Final = 4 << 20
"""A second of 32 Mbit/s: what a camera sends waits for milliseconds."""
STUCK_S: Final = 0.05
"""When nothing has come out for so long, nothing is there, or it waits for a packet that is missing."""
LOOK_S: Final = 0.001
"""Far below a frame's time: who waits here holds a camera's only thread."""


class Pressure:
    """On one jitter buffer. Its input waits while too much is in it, so that the network's own buffers fill, and TCP
    slows the sender down. What it threw away (late, twice) counts as waiting until nothing comes out any more.
    """

    def __init__(self, jitterbuffer: Any, ended: Callable[[], object]) -> None:
        """``ended``: whether the pipeline is to be stopped; then nothing waits."""
        self._ended = ended
        self._list = gst.load().PadProbeType.BUFFER_LIST
        self._ok = gst.load().PadProbeReturn.OK
        self._came = self._went = self._gone = 0
        """Bytes; the first and the last are written by the thread that receives, the other by the one that sends on."""
        kinds = gst.load().PadProbeType.BUFFER | self._list
        jitterbuffer.get_static_pad("sink").add_probe(kinds, self._comes)
        jitterbuffer.get_static_pad("src").add_probe(kinds, self._goes)

    def _comes(self, _: Any, info: Any) -> Any:
        self._came += self._size(info)
        if self._queued > QUEUED_BYTES:
            self._wait()
        return self._ok

    def _goes(self, _: Any, info: Any) -> Any:
        self._went += self._size(info)
        return self._ok

    @property
    def _queued(self) -> int:
        return self._came - self._went - self._gone

    def _wait(self) -> None:
        went, moved = self._went, time.monotonic()
        while self._queued > QUEUED_BYTES // 2 and not self._ended():
            time.sleep(LOOK_S)
            if self._went != went:
                went, moved = self._went, time.monotonic()
            elif time.monotonic() - moved > STUCK_S:
                self._gone = self._came - self._went

    def _size(self, info: Any) -> int:
        if info.type & self._list:
            found = info.get_buffer_list()
            return sum(found.get(index).get_size() for index in range(found.length()))
        return int(info.get_buffer().get_size())
