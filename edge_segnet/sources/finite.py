"""What a file, a folder or the rendered street looks like to a command that wants every frame."""

from __future__ import annotations

from typing import Protocol

from edge_segnet.core.types import Frame


class FiniteSource(Protocol):
    """A ``Source`` that also knows its frame rate and, if it ends, its number of frames."""

    fps: float

    @property
    def length(self) -> int | None: ...

    def read(self, timeout_s: float = 0.0) -> Frame | None: ...

    def close(self) -> None: ...
