"""The JSON of the API as types: what ``openapi.py`` publishes, and what the tests check the answers against."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_segnet.core.types import Fit

Colour = Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=3, max_length=3, description="RGB")]
Size = Annotated[list[int], Field(min_length=2, max_length=2, description="[width, height]")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Document(BaseModel):
    model_config = ConfigDict(strict=True)


class ClassCount(Document):
    """One class in one frame."""

    id: int
    pixels: Annotated[int, Field(ge=0, description="at network size")]
    share: Share


class FreeSpace(Document):
    """How far the ground is free in a region, by sector from left to right."""

    rows: Annotated[list[int], Field(description="at network size")]
    metres: list[float] | None
    bearings_deg: list[float] | None


class RegionDetails(Document):
    """One region in one frame."""

    pixels: dict[str, int]
    void_pixels: int
    smoothed: dict[str, Share]
    free: FreeSpace | None


class Flicker(Document):
    """Share of pixels that left their class for one frame and came back: raw, and after the filter in time."""

    raw: Share
    steady: Share | None


class FreeDocument(Document):
    """How far drivable ground reaches up, per sector from left to right."""

    rows: Annotated[list[int], Field(description="at network size")]
    metres: Annotated[list[float] | None, Field(description="along the ground; null: the camera's mount is unknown")]
    bearings_deg: Annotated[list[float] | None, Field(description="of the sectors' middles, right is positive")]


class RegionDocument(Document):
    """One region in one frame."""

    pixels: Annotated[dict[str, int], Field(description="every class, at network size")]
    void_pixels: int
    smoothed: Annotated[dict[str, Share], Field(description="shares, over time")]
    free: FreeDocument | None


class FlickerDocument(Document):
    """Share of pixels that left their class for one frame and came back, over the last second."""

    raw: Share
    steady: Annotated[Share | None, Field(description="after the filter; null without one")]


class ResultDocument(Document):
    """One segmented frame."""

    model_config = ConfigDict(strict=True, extra="forbid")

    seq: int
    camera: str
    captured_at: Annotated[str, Field(description="UTC, ISO 8601")]
    age_ms: Annotated[float, Field(description="from capture until now")]
    stale: Annotated[bool, Field(description="too old to be acted on")]
    synthetic: bool
    source: Annotated[str, Field(description="without credentials")]
    model: str
    backend: str
    network_size: Size
    source_size: Size
    classes: Annotated[dict[str, ClassCount], Field(description="every class, in the model's order")]
    void_pixels: int
    low_margin: Annotated[Share | None, Field(description="share of pixels about which the network was unsure")]
    regions: Annotated[dict[str, dict[str, Share]], Field(description="region -> class -> share of the region")]
    region_details: dict[str, RegionDetails]
    alarms: Annotated[list[str], Field(description="rules that are on")]
    flicker: Flicker | None
    stages_ms: dict[str, float]
    dropped: Annotated[int, Field(description="frames of this camera that nobody segmented")]


class ClassEntry(Document):
    """One class of the model."""

    id: int
    name: str
    colour: Colour


class Void(Document):
    """Pixels that belong to no class."""

    id: int
    colour: Colour


class ClassesDocument(Document):
    """The model's class map."""

    name: str
    classes: list[ClassEntry]
    void: Void


class AgeDocument(Document):
    """Percentiles over the recent frames, in ms."""

    p50: float
    p95: float
    p99: float


class CameraDocument(Document):
    """One camera's state."""

    state: Literal["starting", "running", "missing", "lost", "stalled", "frozen", "static", "ended"]
    since_s: float
    message: str
    source: str
    frames_per_second: float
    camera_frames_per_second: float | None
    age_ms: AgeDocument | None
    frames: int
    dropped: int
    reconnects: int
    synthetic: bool


class Temperature(Document):
    """One sensor."""

    name: str
    celsius: float
    limit_celsius: float | None


class Throttling(Document):
    """Why the board slows itself down."""

    reason: str
    active: bool
    events: int | None


class BoardDocument(Document):
    """The machine."""

    name: str | None
    temperatures: list[Temperature]
    throttled: bool | None
    throttling: list[Throttling]


class Reload(Document):
    """How the last reload of the config ended."""

    at: str
    ok: bool
    message: str


class LogDocument(Document):
    """The log of events."""

    kept: int
    waiting: int
    lost: Annotated[int, Field(description="the disk was too slow for them")]
    error: Annotated[str | None, Field(description="why events are not on disk")]


class EventDocument(Document):
    """A rule began, or is over."""

    model_config = ConfigDict(strict=True, extra="forbid", populate_by_name=True)

    id: Annotated[str, Field(description="unique; later events sort later")]
    seq: Annotated[int, Field(description="without gaps, over restarts")]
    kind: Literal["start", "clear"]
    rule: str
    region: str
    camera: str
    class_name: Annotated[str | None, Field(alias="class", description="null: free distance")]
    measure: Annotated[Literal["share", "metres", "rows"], Field(description="what value and threshold are")]
    at: Annotated[str, Field(description="when the deciding frame was captured: UTC, ISO 8601")]
    value: float
    threshold: float
    duration_s: Annotated[float | None, Field(description="of a clear: since the start")]
    frame_seq: int
    synthetic: bool
    snapshot: Annotated[str | None, Field(description="a JPEG below /api/events/")]


class EventsDocument(Document):
    """What rules noticed, newest first."""

    events: list[EventDocument]


class RegionsDocument(Document):
    """The regions and rules at work, as the settings have them."""

    regions: dict[str, dict[str, Any]]
    rules: list[dict[str, Any]]


class StatusDocument(Document):
    """The service."""

    state: Literal["waiting", "running", "degraded", "stuck"]
    message: str
    ready: bool
    healthy: bool
    uptime_s: float
    version: str
    model: str | None
    licence: str | None
    backend: str | None
    network_size: Size | None
    fit: Fit
    cameras: dict[str, CameraDocument]
    sinks: dict[str, dict[str, Any]]
    events: LogDocument
    board: BoardDocument | None
    reload: Reload | None


class HealthDocument(Document):
    """Whether every loop made progress."""

    healthy: bool


class ReadyDocument(Document):
    """Whether a model runs and every camera has a frame or is known to be missing."""

    ready: bool


class Problem(Document):
    """What went wrong, in one line."""

    error: str


ALL = (
    ResultDocument,
    ClassesDocument,
    StatusDocument,
    EventsDocument,
    RegionsDocument,
    HealthDocument,
    ReadyDocument,
    Problem,
)
