"""Settings of what is written to files: JSON lines and videos."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from edge_segnet.settings.sections import FilePath, Megabytes, Picture, Rate, Section, Wrong


class FilesSection(Section):
    """Files in a folder, a new one now and then, the oldest of them removed."""

    path: FilePath | None = Field(None, description="folder; left out: one in the state folder")
    rate: Rate | None = Field(None, description="frames per second and camera at most; left out: all")
    max_mb: Megabytes = Field(64, description="a new file after so much")
    max_s: Annotated[float, Field(ge=1.0, le=86_400.0)] = Field(3600.0, description="a new file after so long")
    keep_mb: Megabytes = Field(1024, description="of all files; the oldest go")
    free_mb: Annotated[int, Field(ge=0, le=100_000_000)] = Field(512, description="to leave free on the disk")

    @model_validator(mode="after")
    def _one_file_fits(self) -> FilesSection:
        if self.keep_mb < self.max_mb:
            raise Wrong(f"keep_mb ({self.keep_mb}) is less than one file may have (max_mb, {self.max_mb})")
        return self


class JsonLinesConfig(FilesSection):
    """Every result as a line of JSON."""


class VideoConfig(FilesSection):
    """Video files, one after the other, that play in real time."""

    kind: Picture = "overlay"
    rate: Rate = Field(10.0, description="frames per second of the video")
    max_mb: Megabytes = 256
    max_s: Annotated[float, Field(ge=1.0, le=86_400.0)] = 600.0
    keep_mb: Megabytes = 4096
