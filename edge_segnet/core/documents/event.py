"""What a rule noticed, as JSON: on disk, over HTTP and MQTT, in recordings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edge_segnet.core.documents.base import Versioned

Measure = Literal[
    "share",
    "metres",
    "rows",
    "uncertain",
    "unfamiliar",
    "frames_per_second",
    "age_ms",
    "not_running",
    "agreement",
    "invalid",
]
"""``frames_per_second``, ``age_ms`` and ``not_running`` are about the service: results per second, milliseconds,
seconds without a good frame. ``agreement`` and ``invalid`` are about a new model beside the old one: the share on which
both agree, and frames of which it made no numbers.
"""


class EventDocument(Versioned):
    """A rule began, or is over."""

    id: Annotated[str, Field(description="unique; later events sort later")]
    seq: Annotated[int, Field(ge=0, lt=2**62, description="without gaps, over restarts")]
    kind: Literal["start", "clear"]
    rule: str
    region: Annotated[str, Field(description="empty: the whole picture")]
    camera: str
    class_name: Annotated[str | None, Field(alias="class", description="null: about something else")]
    measure: Annotated[Measure, Field(description="what value and threshold are")]
    at: Annotated[str, Field(description="when the deciding frame was captured: UTC, ISO 8601")]
    value: float
    threshold: float
    duration_s: Annotated[float | None, Field(description="of a clear: since the start")]
    frame_seq: int
    synthetic: bool
    snapshot: Annotated[str | None, Field(description="a JPEG below /api/events/")]
