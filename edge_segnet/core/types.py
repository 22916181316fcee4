"""What flows through the service, and the three protocols that it flows through. Knows numpy only.

    Source.read -> Frame -> Backend.infer -> Segmentation -> Result -> Sink.publish

Arrays are read-only once they are handed over: whoever makes one never writes to it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap

Image = NDArray[np.uint8]
"""uint8 [H,W,3], BGR."""
Labels = NDArray[np.uint8]
"""uint8 [H,W], class ids; the class map's void id where nothing is known."""
Counts = NDArray[np.int64]
"""int64 [C+1], pixels per class id; the last entry counts void and invalid pixels."""
Fit = Literal["stretch", "crop"]
"""How a picture comes to the network's size: stretched, as the original demo did, or its middle cut out first."""
CpuPrecision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
"""What a CPU computes in; ``auto``: what the processor is quick in. ``int8``: an INT8 model's, and nothing else's."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a camera.

    ``image`` is at network size; ``original`` is the picture as captured, where it differs and is still wanted.
    ``captured_ns`` is on the monotonic clock, ``captured_at`` is seconds since the epoch. ``scaled_from`` is the
    camera's (width, height) where the picture was scaled before it came here, on a Jetson by the video converter.
    ``damaged``: pictures of this camera so far that were not whole and never came here; they have a ``seq`` each.
    ``whole``: false for a picture of which parts were lost on the way, or a black one (only with ``on_damage: flag``).
    ``media_s``: of a video file, when this frame is shown, in seconds after the first one.
    ``conversions``, ``copies``: what a camera's picture has cost since it came out of the camera: conversions of its
    colours, decoding included, and copies of it at network size or larger. Scaling is neither.
    """

    image: Image
    original: Image | None
    seq: int
    captured_ns: int
    captured_at: float
    camera: str
    synthetic: bool = False
    scaled_from: tuple[int, int] | None = None
    damaged: int = 0
    whole: bool = True
    media_s: float | None = None
    conversions: int = 0
    copies: int = 0

    @property
    def source_size(self) -> tuple[int, int]:
        """(width, height) of the picture as captured."""
        if self.scaled_from is not None:
            return self.scaled_from
        height, width = (self.image if self.original is None else self.original).shape[:2]
        return width, height


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a backend says about one frame, at network size.

    ``uncertain`` int64 [C]: of ``counts``, the pixels whose class is less than twice as likely as the runner-up;
    ``low_margin`` is their share. ``margins`` uint8 [H,W]: how far the class leads, in units of ``core.margins``.
    ``winning``: the mean of the winning logits, which ``unfamiliar`` comes from: 0..1, how unlike the picture is to
    what the model learnt from; None where it was never measured.
    ``broken``: pixels whose logits are no numbers; they are void.
    ``together``: how many frames went through the network at once; ``stages_ms`` are those of all of them.
    """

    labels: Labels
    counts: Counts
    low_margin: float | None
    stages_ms: Mapping[str, float]
    uncertain: Counts | None = None
    classes: ClassMap = field(kw_only=True)
    margins: Labels | None = None
    winning: float | None = None
    unfamiliar: float | None = None
    broken: int = 0
    together: int = 1

    @property
    def network_ms(self) -> float | None:
        """What of the network's time is one frame's; None where nobody measured it."""
        took_ms = self.stages_ms.get("network")
        return None if took_ms is None else took_ms / self.together

    @property
    def valid(self) -> bool:
        """Whether the network computed numbers."""
        return self.broken == 0


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
    """One region in one frame. ``counts`` and ``uncertain`` as a segmentation's; ``smoothed``: shares float64 [C+1],
    over time.
    """

    counts: Counts
    smoothed: NDArray[np.float64]
    free: FreeSpace | None = None
    uncertain: Counts | None = None


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


class RegionShape(Protocol):
    """What is asked of a region of the settings (``settings.regions.RegionConfig``)."""

    @property
    def polygon(self) -> Sequence[Sequence[float]]:
        """Corners [x, y], relative to what the network sees."""
        ...

    @property
    def drivable(self) -> Sequence[str]:
        """Classes that its free distance is about; none where it measures none."""
        ...

    def sees(self, camera: str) -> bool:
        """Whether it is one of the region's cameras."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """As the settings have it."""
        ...


class RuleShape(Protocol):
    """What is asked of a rule of the settings (``settings.regions.RuleConfig``)."""

    @property
    def name(self) -> str: ...

    @property
    def region(self) -> str | None:
        """None: it is about the whole picture."""
        ...

    @property
    def class_name(self) -> str | None:
        """None: it is about free distance, or how unfamiliar the picture is."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """As the settings have it."""
        ...


@dataclass(frozen=True, eq=False)
class View:
    """What results are to be read with: one object per model and generation of settings. It travels with them, so that
    names, colours and outlines are always those that a result was made with.
    """

    classes: ClassMap
    fit: Fit = "stretch"
    regions: Mapping[str, RegionShape] = field(default_factory=dict)
    rules: Sequence[RuleShape] = ()
    metric: frozenset[str] = frozenset()
    """Cameras whose mount is known, so that free distances are in metres, too."""

    def concerns(self, rule: RuleShape, camera: str) -> bool:
        """Whether a rule is judged at a camera."""
        return rule.region is None or (rule.region in self.regions and self.regions[rule.region].sees(camera))


@dataclass(frozen=True, eq=False)
class Origin:
    """Where results come from. ``shown``: the source without credentials. ``stale_after_s``: older results are not to
    be acted on; None: those of a file, which don't age. ``working``: whether the camera still shows what it sees.
    """

    shown: str = ""
    stale_after_s: float | None = None
    working: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Drops:
    """Frames of a camera that nobody segmented since it was opened: ``late``, because a newer one was there before the
    network was free; ``skipped``, more than the camera's rate asks for; ``damaged``, not whole.
    """

    late: int = 0
    skipped: int = 0
    damaged: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.late + self.skipped + self.damaged


@dataclass(frozen=True, eq=False)
class Result:
    """A frame with its segmentation, as every sink gets it: it needs nothing else to be read, drawn or told.

    ``age_ms``: from capture to this result. ``regions``, ``alarms`` and ``flicker`` as ``Refined`` has them.
    """

    frame: Frame
    segmentation: Segmentation
    view: View
    backend: str
    model: str
    age_ms: float
    dropped: Drops = Drops()
    origin: Origin = Origin()
    regions: Mapping[str, Region] = field(default_factory=dict)
    alarms: tuple[str, ...] = ()
    flicker: Flicker | None = None

    @property
    def age_now_ms(self) -> float:
        """From capture until now; of what does not age, ``age_ms``."""
        if self.origin.stale_after_s is None:
            return self.age_ms
        return (time.monotonic_ns() - self.frame.captured_ns) / 1e6

    @property
    def stale(self) -> bool:
        """Whether it is not to be acted on, as of now: too old, or no longer what its camera shows."""
        limit_s = self.origin.stale_after_s
        return limit_s is not None and (self.age_now_ms > 1e3 * limit_s or not self.origin.working())


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


class Ticket(Protocol):
    """Frames that a backend has been given."""

    def result(self) -> list[Segmentation]:
        """Wait for them; raises what ``Backend.infer`` does. To be called once, in the order of the submissions."""
        ...


@dataclass(frozen=True, eq=False)
class Done:
    """The ticket of a backend that works while it is given something."""

    found: list[Segmentation]

    def result(self) -> list[Segmentation]:
        """What was found."""
        return self.found


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

    @property
    def max_batch(self) -> int:
        """Frames that ``infer`` takes at once."""
        ...

    def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """Segment 1..``max_batch`` frames, each ``image`` uint8 [H,W,3] BGR at ``input_size``; in their order."""
        ...

    def submit(self, frames: Sequence[Frame]) -> Ticket:
        """As ``infer``, but it may come back before the frames are done: while one is on the GPU, another is taken."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, eq=False)
class Turn:
    """A frame that a network has had, and when (monotonic) it was taken for that."""

    frame: Frame
    segmentation: Segmentation
    taken_ns: int


class Turns(Protocol):
    """How cameras share a backend."""

    def segment(self, frame: Frame, newest: Callable[[], Frame | None]) -> Turn:
        """``frame`` in its turn, or what ``newest`` gives then; raises what ``Backend.infer`` does."""
        ...


Refine = Callable[[Frame, Segmentation], Refined]
"""What a segmentation means; called frame by frame."""


@dataclass(frozen=True, eq=False)
class Generation:
    """What one model and one set of settings make of frames; exchanged as a whole, between two frames.

    ``model``: the model's name. ``rate``: frames per second at most, None: every new frame. ``origin``: of the results.
    ``turns``: how the backend is shared; None: with nobody.
    """

    backend: Backend
    model: str
    view: View
    refine: Refine | None = None
    rate: float | None = None
    origin: Origin = Origin()
    turns: Turns | None = None
    instead: Generation | None = None
    """Of a model on trial: what has the next frame when it makes no numbers of one."""


@runtime_checkable
class Sink(Protocol):
    """Takes results somewhere."""

    def publish(self, result: Result) -> None: ...

    def status(self) -> Mapping[str, object]: ...

    def close(self) -> None: ...
