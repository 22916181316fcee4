"""The service's state as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from edge_segnet.core.documents.base import Count, Document, DroppedDocument, Size, Versioned
from edge_segnet.core.telemetry import Ages
from edge_segnet.core.types import Fit

CameraState = Literal[
    "starting", "running", "missing", "lost", "stalled", "frozen", "static", "black", "ended", "output_invalid"
]

DeploymentStage = Literal[
    "checking", "building", "shadow", "canary", "serving", "refused", "reverted", "interrupted", "set aside"
]


class AgeDocument(Document):
    """Percentiles over the recent frames, in ms."""

    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, ages: Ages | None) -> AgeDocument | None:
        """None before the first frame."""
        if ages is None:
            return None
        p50, p95, p99, most = (round(age, 1) for age in (ages.p50_ms, ages.p95_ms, ages.p99_ms, ages.max_ms))
        return cls(p50=p50, p95=p95, p99=p99, max=most)


class CameraDocument(Document):
    """One camera's state."""

    state: CameraState
    since_s: float
    message: str
    source: Annotated[str, Field(description="without credentials")]
    source_size: Size | None
    synthetic: bool
    flip: str
    rate: float | None
    camera_frames_per_second: float
    frames_per_second: float
    age_ms: AgeDocument | None
    frames: Count
    dropped: DroppedDocument
    stale: Count
    captured: Count
    invalid: Annotated[int, Field(ge=0, description="frames of which the network made no numbers")] = 0
    reconnects: Count
    conversions: Annotated[int, Field(ge=0, description="of the frames' colours, decoding included; one a frame")] = 0
    copies: Annotated[int, Field(ge=0, description="of the frames between camera and network; one a frame at most")] = 0


class SinkDocument(Document):
    """One way out; each adds what is its own."""

    model_config = ConfigDict(extra="allow")

    state: str
    error: Annotated[str | None, Field(description="why it can't do its work now")]
    queue: Annotated[int, Field(ge=0, description="what waits to be sent")]
    published: Count
    dropped: Annotated[int, Field(ge=0, description="results that it could not take, or not pass on")]
    failed: Count
    last_error: str | None


class TemperatureDocument(Document):
    """One sensor."""

    name: str
    celsius: float
    limit_celsius: float | None


class ThrottlingDocument(Document):
    """Why the board slows itself down."""

    reason: str
    active: bool
    events: int | None


class BoardDocument(Document):
    """The machine."""

    name: str | None
    temperatures: list[TemperatureDocument]
    throttled: bool | None
    throttling: list[ThrottlingDocument]


class ReloadDocument(Document):
    """How the last reload of the settings ended."""

    at: str
    ok: bool
    message: str


class DeploymentDocument(Document):
    """How the last change of the model went, or how far it is (``edge-segnet service model``)."""

    at: str
    name: str
    sha256: Annotated[str, Field(description="of the model that is, or was, to serve")]
    stage: Annotated[DeploymentStage, Field(description="the first four: it is under way")]
    message: str


class LogDocument(Document):
    """The log of events."""

    kept: Count
    waiting: Count
    lost: Annotated[int, Field(description="the disk was too slow for them")]
    error: Annotated[str | None, Field(description="why events are not on disk")]


class StatusDocument(Versioned):
    """The service."""

    state: Literal["waiting", "running", "degraded", "stuck"]
    message: str
    ready: bool
    healthy: bool
    uptime_s: float
    version: str
    model: str | None
    model_sha256: Annotated[str | None, Field(description="of the model's file")] = None
    licence: str | None
    backend: str | None
    network_size: Size | None
    fit: Fit
    degraded: Annotated[dict[str, str], Field(description="parts that don't do their work now, and why")]
    cameras: dict[str, CameraDocument]
    sinks: dict[str, SinkDocument]
    events: LogDocument
    board: BoardDocument | None
    reload: ReloadDocument | None
    deployment: DeploymentDocument | None = None
