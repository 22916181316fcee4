"""What all documents have in common."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge_segnet.core.types import Drops

SCHEMA: Final = 2
"""Of the documents; those of edge-segnet 0.1 had no number (docs/upgrading.md)."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[list[int], Field(min_length=2, max_length=2, description="[width, height]")]


class Document(BaseModel):
    """Made here and read elsewhere. Readers pass over keys that they don't know: later versions add some."""

    model_config = ConfigDict(strict=True, populate_by_name=True, allow_inf_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return self.model_dump(mode="json", by_alias=True, exclude=self._left_out())

    def to_json(self) -> bytes:
        """One line of UTF-8, without its end."""
        return self.model_dump_json(by_alias=True, exclude=self._left_out()).encode()

    def _left_out(self) -> set[str] | None:
        """Fields that are not there while they hold nothing."""
        return None


class Versioned(Document):
    """Says which form it has."""

    form: Annotated[Literal[2], Field(alias="schema", description="of this document")] = SCHEMA


class DroppedDocument(Document):
    """Frames of a camera that nobody segmented, since it was opened."""

    late: Annotated[int, Field(ge=0, description="newer ones were there before the network was free")]
    skipped: Annotated[int, Field(ge=0, description="more than the camera's rate asks for")]
    damaged: Annotated[int, Field(ge=0, description="not whole, so not to be believed")]

    @classmethod
    def of(cls, drops: Drops) -> DroppedDocument:
        """The three counters."""
        return cls(late=drops.late, skipped=drops.skipped, damaged=drops.damaged)


def utc(seconds: float, timespec: Literal["seconds", "milliseconds"] = "milliseconds") -> str:
    """Seconds since the epoch as ``2026-11-22T20:14:03.120Z``."""
    text = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec=timespec)
    return text.replace("+00:00", "Z")
