"""What flows through the service, and the three protocols that it flows through. Knows numpy only.

    Source.read -> Frame -> Backend.infer -> Segmentation -> Result -> Sink.publish

Arrays are read-only once they are handed over: whoever makes one never writes to it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from edge_segnet.core.classes import ClassMap

Image = NDArray[np.uint8]
"""uint8 [H,W,3], BGR."""
Labels = NDArray[np.uint8]
"""uint8 [H,W], class ids; the class map's void id where nothing is known."""
Counts = NDArray[np.int64]
"""int64 [C+1], pixels per class id; the last entry counts void and invalid pixels."""
Fit = Literal["stretch", "crop"]
"""How a picture comes to the network's size: stretched, as the original demo did, or its middle cut out first."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a camera.

    ``image`` is at network size; ``original`` is the picture as captured, where it differs and is still wanted.
    ``captured_ns`` is on the monotonic clock, ``captured_at`` is seconds since the epoch. ``scaled_from`` is the
    camera's (width, height) where the picture was scaled before it came here, on a Jetson by the video converter.
    """

    image: Image
    original: Image | None
    seq: int
    captured_ns: int
    captured_at: float
    camera: str
    synthetic: bool = False
    scaled_from: tuple[int, int] | None = None

    @property
    def source_size(self) -> tuple[int, int]:
        """(width, height) of the picture as captured."""
        if self.scaled_from is not None:
            return self.scaled_from
        height, width = (self.image if self.original is None else self.original).shape[:2]
        return width, height


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a backend says about one frame, at network size."""

    labels: Labels
    counts: Counts
    low_margin: float | None
    stages_ms: Mapping[str, float]


@dataclass(frozen=True)
class FreeSpace:
    """How far drivable ground reaches up from a region's lower edge, per sector from left to right.

    ``rows`` at network size. Where the camera's mount is known: ``metres`` along the ground from the point below the
    lens (``edge_segnet.scene.ground.FAR_M`` means that or more), and ``bearings_deg`` of the sectors' middles, right of
    the optical axis being positive.
    """

    rows: tuple[int, ...]
    metres: tuple[float, ...] | None = None
    bearings_deg: tuple[float, ...] | None = None


@dataclass(frozen=True, eq=False)
class Region:
    """One region in one frame. ``counts`` as a segmentation's; ``smoothed``: shares float64 [C+1], over time."""

    counts: Counts
    smoothed: NDArray[np.float64]
    free: FreeSpace | None = None


@dataclass(frozen=True)
class Flicker:
    """Share of pixels that left their class for one frame and came back, over the last second: as the network gives
    them (``raw``) and after the filter in time (``steady``; None without one).
    """

    raw: float
    steady: float | None = None


@dataclass(frozen=True, eq=False)
class Refined:
    """What was made of a segmentation: steadied, counted by region, judged by rules (``alarms``: those that are on)."""

    segmentation: Segmentation
    regions: Mapping[str, Region] = field(default_factory=dict)
    alarms: tuple[str, ...] = ()
    flicker: Flicker | None = None


@dataclass(frozen=True, eq=False)
class Result:
    """A frame with its segmentation, as every sink gets it.

    ``age_ms``: from capture to this result. ``dropped``: frames of this camera that nobody segmented since it was
    opened, because newer ones were there. ``stale``: older than the camera's limit, so not to be acted on. ``regions``,
    ``alarms`` and ``flicker`` as ``Refined`` has them.
    """

    frame: Frame
    segmentation: Segmentation
    backend: str
    model: str
    age_ms: float
    dropped: int
    stale: bool = False
    regions: Mapping[str, Region] = field(default_factory=dict)
    alarms: tuple[str, ...] = ()
    flicker: Flicker | None = None


@runtime_checkable
class Source(Protocol):
    """Anything that yields frames."""

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame, or None when none came in time.

        Raises:
            EndOfStream: there will be no more frames.
            SourceLost: the source broke; reopening it may help.
        """
        ...

    def close(self) -> None:
        """Release the device; may be called twice."""
        ...


@runtime_checkable
class Backend(Protocol):
    """Runs one model; one thread at a time (a backend serialises its callers)."""

    @property
    def name(self) -> str: ...

    @property
    def input_size(self) -> tuple[int, int]:
        """(width, height) that ``infer`` takes."""
        ...

    @property
    def classes(self) -> ClassMap: ...

    def infer(self, frame: Frame) -> Segmentation:
        """Segment ``frame.image``, uint8 [H,W,3] BGR at ``input_size``."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Sink(Protocol):
    """Takes results somewhere."""

    def publish(self, result: Result) -> None: ...

    def status(self) -> dict[str, Any]: ...

    def close(self) -> None: ...
