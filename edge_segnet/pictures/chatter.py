"""What decoders print. They have no other way (through OpenCV) to say that a picture is damaged, and at every frame of
a cheap camera they say things that nobody needs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

KEPT: Final = 1 << 16
"""Bytes; what is older was heard."""


class Heard:
    """What was printed since the block began."""

    def __init__(self, sink: int, begin: int) -> None:
        self._sink, self._begin = sink, begin

    @property
    def text(self) -> str:
        if self._sink < 0:
            return ""
        end = os.lseek(self._sink, 0, os.SEEK_END)
        begin = self._begin if self._begin <= end else 0
        return os.pread(self._sink, min(end - begin, KEPT), begin).decode(errors="replace")


class _Quiet:
    """Sends the process's standard error into memory while anyone is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        """Guards ``_inside``: the first diverts descriptor 2, the last one gives it back."""
        self._inside = 0
        self._kept = -1
        self._sink = -1

    @contextmanager
    def __call__(self) -> Iterator[Heard]:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._divert()
            heard = Heard(self._sink, os.lseek(self._sink, 0, os.SEEK_END) if self._sink >= 0 else 0)
        try:
            yield heard
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0 and self._kept >= 0:
                    os.dup2(self._kept, 2)
                    os.close(self._kept)
                    self._kept = -1

    def _divert(self) -> None:
        try:
            self._kept = os.dup(2)
        except OSError:
            return  # it is closed: nobody hears anything
        if self._sink < 0:
            self._sink = os.memfd_create("edge-segnet-chatter", os.MFD_CLOEXEC)
            os.set_inheritable(self._sink, False)
        if os.lseek(self._sink, 0, os.SEEK_END) > KEPT:
            os.ftruncate(self._sink, 0)
        os.lseek(self._sink, 0, os.SEEK_END)
        os.dup2(self._sink, 2)


quiet_decoders: Final = _Quiet()
"""``with quiet_decoders() as heard:`` around a decode: libpng and libjpeg print to file descriptor 2. Python's own
messages are safe: ``cli.main`` gives them a descriptor of their own."""
