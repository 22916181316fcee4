"""What every camera, stream or played file looks like to the supervisor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from edge_segnet.core.types import Fit, Frame
from edge_segnet.core.uris import Flip

if TYPE_CHECKING:
    from edge_segnet.settings.schema import CameraConfig


@dataclass(frozen=True)
class FrameFormat:
    """How frames shall come: ``size`` is (width, height), ``camera`` the name that they carry."""

    size: tuple[int, int]
    fit: Fit
    flip: Flip
    camera: str


@dataclass(frozen=True)
class Terms:
    """How a camera is dealt with: its settings, as far as they matter to what reads it."""

    transport: Literal["auto", "tcp", "udp"] = "auto"
    latency_ms: int = 50
    connect_s: float = 2.5
    on_damage: Literal["drop", "flag"] = "drop"
    max_pixels: int = 100_000_000

    @classmethod
    def of(cls, camera: CameraConfig) -> Terms:
        pixels = int(1e6 * camera.max_megapixels)
        return cls(camera.transport, camera.latency_ms, camera.connect_s, camera.on_damage, pixels)


@runtime_checkable
class LiveSource(Protocol):
    """A ``Source`` that can change the size of its frames while it runs."""

    @property
    def live(self) -> bool:
        """A camera or stream, which may be lost, stall or freeze; a file or a drawn street does neither."""
        ...

    @property
    def damaged(self) -> int:
        """Pictures since it was opened that did not come whole; they are not handed out, or are marked."""
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
