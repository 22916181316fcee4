"""Pictures in memory that two processes share: the camera's process draws, the service looks, and nothing is copied on
the way. Sealed, so that nobody can take the memory away from under the other.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import weakref
from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.types import Image

COUNT: Final = 8
"""Pictures: those that ``FEW`` keeps, and what the loop and the sinks' places hold of one camera."""
FEW: Final = 3
"""So many stay free for the camera: a picture that someone keeps is copied when it comes to that."""


class Slots:
    """``COUNT`` places for a picture of ``size`` (width, height), uint8 [H,W,3]."""

    def __init__(self, size: tuple[int, int], descriptor: int = -1) -> None:
        """``descriptor``: of the memory that the other process made; none: make it."""
        self.size = size
        self._bytes = size[0] * size[1] * 3
        self._step = -(-self._bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        self.descriptor = descriptor if descriptor >= 0 else _sealed(COUNT * self._step)
        self._memory = mmap.mmap(self.descriptor, COUNT * self._step)
        self._returned: deque[int] = deque()
        self._out: set[int] = set()

    def canvas(self, index: int) -> Image:
        """The place to draw in."""
        flat: NDArray[np.uint8] = np.frombuffer(self._memory, np.uint8, self._bytes, index * self._step)
        picture: Image = flat.reshape(self.size[1], self.size[0], 3)
        return picture

    def lend(self, index: int) -> Image:
        """The finished picture, read-only. Its place is free again when nobody has the picture any more."""
        if len(self._out) >= COUNT - FEW:
            copy: Image = self.canvas(index).copy()
            self._returned.append(index)
            copy.setflags(write=False)
            return copy
        flat: NDArray[np.uint8] = np.frombuffer(self._memory, np.uint8, self._bytes, index * self._step)
        flat.setflags(write=False)
        self._out.add(index)
        weakref.finalize(flat, self._returned.append, index).atexit = False
        # Every view of a view refers to ``flat``.
        picture: Image = flat.reshape(self.size[1], self.size[0], 3)
        return picture

    def free_again(self) -> list[int]:
        """The places that were given back since the last call."""
        free = []
        while self._returned:
            free.append(self._returned.popleft())
        self._out.difference_update(free)
        return free

    def close(self) -> None:
        """Let go of the descriptor; the memory lives as long as a picture in it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _sealed(size: int) -> int:
    descriptor = os.memfd_create("edge-segnet-pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    # Who looks into memory that was cut off is killed by the kernel.
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor
