"""The decoded pairs of a data set as one memory-mapped file: its pages are shared by all loader processes, and a data
set that is larger than memory is read from the disk again as it is needed.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.files import cache_folder, output_error
from edge_segnet.core.types import Image, Labels


@dataclass(frozen=True)
class _Place:
    """Where a picture uint8 [height, width, 3] begins; its labels uint8 [height, width] follow."""

    offset: int
    height: int
    width: int


class Store:
    """Pictures and labels by index. The file has no name: nothing is left of it when the last process has ended."""

    def __init__(self, pairs: Iterable[tuple[Image, Labels]]) -> None:
        """Write all ``pairs``, then map them.

        Raises:
            InputError: as the pairs that are read.
            OutputError: the disk is full.
        """
        self._places: list[_Place] = []
        folder = cache_folder() or Path(tempfile.gettempdir())
        try:
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                for image, labels in pairs:
                    self._places.append(_Place(file.tell(), *labels.shape))
                    _write(file, np.concatenate([image.ravel(), labels.ravel()]))
                self._bytes = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        except OSError as error:
            raise output_error(f"the decoded training pictures in {folder}", error) from error

    def read(self, index: int) -> tuple[Image, Labels]:
        """Picture and labels of pair ``index``; read-only views."""
        place = self._places[index]
        pixels = place.height * place.width
        start, middle = place.offset, place.offset + 3 * pixels
        image = self._bytes[start:middle].reshape(place.height, place.width, 3)
        return image, self._bytes[middle : middle + pixels].reshape(place.height, place.width)


def _write(file: FileIO, data: NDArray[np.uint8]) -> None:
    """All of it: an unbuffered write may stop early where the disk ends, and says so at the next."""
    left = data.data
    while left:
        left = left[file.write(left) :]
