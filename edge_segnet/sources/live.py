"""What every camera, stream or played file looks like to the supervisor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edge_segnet.core.types import Fit, Frame
from edge_segnet.core.uris import Flip


@dataclass(frozen=True)
class FrameFormat:
    """How frames shall come: ``size`` is (width, height), ``camera`` the name that they carry."""

    size: tuple[int, int]
    fit: Fit
    flip: Flip
    camera: str


@runtime_checkable
class LiveSource(Protocol):
    """A ``Source`` that can change the size of its frames while it runs."""

    @property
    def live(self) -> bool:
        """A camera or stream, which may be lost, stall or freeze; a file or a drawn street does neither."""
        ...

    def read(self, timeout_s: float) -> Frame | None:
        """The newest frame, or None when none came in time.

        Raises:
            EndOfStream: there will be no more frames.
            BadFrame: this one can't be used; the next may be good.
            SourceLost, InputError: the source broke or is not there; reopening it may help.
        """
        ...

    def resize(self, size: tuple[int, int]) -> None:
        """Frames come at ``size`` (width, height) from one of the next ones on."""
        ...

    def close(self) -> None:
        """Release the device, from any thread, and end a ``read`` that waits; may be called twice."""
        ...
