"""Settings of recordings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from edge_segnet.settings.sections import FilePath, Picture, Seconds, Section, Wrong


class RecordingConfig(Section):
    """MCAP files: everything, or what was before and after an event (a flight recorder)."""

    path: FilePath | None = Field(None, description="folder; left out: recordings in the state folder")
    mode: Literal["continuous", "ring"] = Field(
        "continuous", description="ring: kept in memory, written when a rule fires or SIGUSR1 comes"
    )
    message_schema: Literal["foxglove", "ros2"] = Field(
        "foxglove", alias="schema", description="of the messages: Foxglove's, or a bag's for ros2 bag play and nav2"
    )
    seconds: Seconds = Field(60.0, description="of the ring: so much from before")
    after_s: Annotated[float, Field(ge=0.0, le=3600.0)] = Field(10.0, description="of the ring: so much from after")
    memory_mb: Annotated[int, Field(ge=8, le=65_536)] = Field(256, description="for the ring; oldest goes first")
    images: Annotated[list[Picture], Field(min_length=1, max_length=3)] = Field(["camera", "mask"])
    quality: Annotated[int, Field(ge=1, le=100)] = Field(80, description="of JPEG")
    rate: Annotated[float, Field(gt=0.0, le=1000.0)] | None = Field(None, description="frames per second at most")
    max_mb: Annotated[int, Field(ge=1, le=1_000_000)] = Field(256, description="a new file after so much")
    max_s: Annotated[float, Field(ge=1.0, le=86_400.0)] = Field(600.0, description="a new file after so long")
    keep_mb: Annotated[int, Field(ge=1, le=100_000_000)] = Field(4096, description="of all files; the oldest go")
    free_mb: Annotated[int, Field(ge=0, le=100_000_000)] = Field(512, description="to leave free on the disk")

    @model_validator(mode="after")
    def _one_file_fits(self) -> RecordingConfig:
        if self.keep_mb < self.max_mb:
            raise Wrong(f"keep_mb ({self.keep_mb}) is less than one file may have (max_mb, {self.max_mb})")
        return self
