"""What all sections of the settings file are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _path(value: object) -> object:
    return Path(value) if isinstance(value, str) and value else value


FilePath = Annotated[Path, BeforeValidator(_path)]
Seconds = Annotated[float, Field(gt=0.0, le=3600.0)]
Rate = Annotated[float, Field(gt=0.0, le=1000.0)]
"""Per second."""
Quality = Annotated[int, Field(ge=1, le=100)]
"""Of JPEG."""
Megabytes = Annotated[int, Field(ge=1, le=100_000_000)]
Picture = Literal["camera", "mask", "overlay"]


class Section(BaseModel):
    """A mapping in the file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
