"""Picture files as a source, one frame each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from edge_segnet.core.errors import BadFrame, EndOfStream, InputError
from edge_segnet.core.types import Fit, Frame
from edge_segnet.pictures.files import read_image, read_only
from edge_segnet.pictures.shape import fit_image


class ImageSource:
    """Reads ``paths`` in order; ``Frame.seq`` is the index of the file."""

    fps = 1.0

    def __init__(
        self, paths: Sequence[Path], size: tuple[int, int], fit: Fit = "stretch", camera: str = "files"
    ) -> None:
        self.paths = paths
        self._size, self._fit, self._camera = size, fit, camera
        self._next = 0

    @property
    def length(self) -> int:
        return len(self.paths)

    def read(self, timeout_s: float = 0.0) -> Frame:  # noqa: ARG002 - files don't keep anyone waiting
        """The next picture.

        Raises:
            BadFrame: this file is broken; the next call goes on with the next one.
            EndOfStream: that was the last one.
        """
        if self._next >= len(self.paths):
            raise EndOfStream("no more pictures")
        seq, self._next = self._next, self._next + 1
        try:
            original = read_image(self.paths[seq])
        except InputError as error:
            raise BadFrame(error.message, hint=error.hint) from error
        return Frame(
            image=read_only(fit_image(original, self._size, self._fit)),
            original=read_only(original),
            seq=seq,
            captured_ns=time.monotonic_ns(),
            captured_at=time.time(),
            camera=self._camera,
        )

    def close(self) -> None:
        """Nothing is held between reads."""
