"""Rules on the service itself: is a camera there, quick enough, and are its results fresh?"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from edge_segnet.settings.sections import Name, Seconds, Section, Wrong

Measured = Literal["frames_per_second", "age_ms", "not_running"]


class WatchConfig(Section):
    """When the service itself is worth an event. One of the three is looked at; it must be so ``for_s`` seconds."""

    name: Name
    camera: Name | None = Field(None, description="left out: each camera")
    frames_per_second_below: Annotated[float, Field(gt=0.0, le=1000.0)] | None = Field(
        None, description="results per second"
    )
    age_ms_above: Annotated[float, Field(gt=0.0, le=3_600_000.0)] | None = Field(
        None, description="how old the newest result is by now"
    )
    not_running: bool = Field(False, description="the camera gives no good frames, whatever the reason")
    for_s: Seconds = Field(10.0, description="so long; over once it is well for as long")

    @property
    def measure(self) -> Measured:
        """What it looks at."""
        if self.not_running:
            return "not_running"
        return "age_ms" if self.age_ms_above is not None else "frames_per_second"

    @property
    def threshold(self) -> float:
        """What the value is compared with; of ``not_running``: seconds."""
        return self.frames_per_second_below or self.age_ms_above or self.for_s

    @model_validator(mode="after")
    def _one_thing(self) -> WatchConfig:
        asked = [self.frames_per_second_below is not None, self.age_ms_above is not None, self.not_running]
        if asked.count(True) != 1:
            hint = "give one of frames_per_second_below, age_ms_above, not_running"
            raise Wrong("a watch looks at one thing", hint)
        return self
