"""Rules: alarms with hysteresis and dwell, counted in frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.types import Frame, Region
from edge_segnet.scene.events import Event, utc
from edge_segnet.settings.regions import RuleConfig


@dataclass(frozen=True)
class _Seen:
    """What a rule saw last."""

    value: float
    frame_seq: int
    captured_at: float
    captured_ns: int
    synthetic: bool


class RuleState:
    """One rule on one camera. A frame without a value (the region's picture is unknown) changes nothing."""

    def __init__(self, config: RuleConfig, camera: str, *, on: bool = False) -> None:
        """``on``: the alarm was raised by an earlier run, and nothing has cleared it yet."""
        self.config, self.camera = config, camera
        self.on = on
        self._run = 0
        """Frames in a row that speak for a change."""
        self._since_ns: int | None = None
        self._seen: _Seen | None = None

    def renewed(self, config: RuleConfig) -> RuleState:
        """The same rule with other settings: an alarm that is on stays on until those clear it."""
        new = RuleState(config, self.camera, on=self.on)
        new._since_ns, new._seen = self._since_ns, self._seen
        return new

    def update(self, value: float, frame: Frame) -> Event | None:
        """Take the value of a frame; an event if the alarm begins or ends with it."""
        self._seen = _Seen(value, frame.seq, frame.captured_at, frame.captured_ns, frame.synthetic)
        self._run = self._run + 1 if self._speaks_for_change(value) else 0
        if self._run < (self.config.clear_frames if self.on else self.config.frames):
            return None
        return self._clear() if self.on else self._start()

    def _speaks_for_change(self, value: float) -> bool:
        config = self.config
        if config.below is not None:
            return value >= config.clear_at if self.on else value < config.below
        return value <= config.clear_at if self.on else value > config.threshold

    def _start(self) -> Event | None:
        self.on, self._run = True, 0
        self._since_ns = self._seen.captured_ns if self._seen else None
        return self._event("start", self.config.threshold, None)

    def _clear(self) -> Event | None:
        since_ns, seen = self._since_ns, self._seen
        self.on, self._run, self._since_ns = False, 0, None
        past_s = None if since_ns is None or seen is None else round((seen.captured_ns - since_ns) / 1e9, 3)
        return self._event("clear", self.config.clear_at, past_s)

    def retire(self) -> Event | None:
        """The rule, or its camera, is no more: an alarm that is on ends, with what was seen last."""
        return self._clear() if self.on else None

    def _event(self, kind: Literal["start", "clear"], threshold: float, duration_s: float | None) -> Event | None:
        if self._seen is None:
            return None
        return Event(
            rule=self.config.name,
            region=self.config.region,
            camera=self.camera,
            class_name=self.config.class_name,
            kind=kind,
            at=utc(self._seen.captured_at),
            value=round(self._seen.value, 4),
            threshold=threshold,
            frame_seq=self._seen.frame_seq,
            measure=self.config.free or "share",
            duration_s=duration_s,
            synthetic=self._seen.synthetic,
        )


def value_of(rule: RuleConfig, region: Region, classes: ClassMap) -> float:
    """What the rule looks at: a share 0..1 of the region's pixels, or the free distance of the nearest sector."""
    if rule.class_name is not None:
        return float(region.counts[classes.index(rule.class_name)] / max(int(region.counts.sum()), 1))
    if region.free is None:
        raise ValueError(f"{rule.region} measures no free distance")
    return float(min((region.free.metres or ()) if rule.free == "metres" else region.free.rows))


def left_on(events: Sequence[Event], rule: str, camera: str) -> bool:
    """Whether the last event of a rule on a camera is a start; ``events`` newest first."""
    last = next((event for event in events if event.rule == rule and event.camera == camera), None)
    return last is not None and last.kind == "start"
