"""Rules: alarms with hysteresis and dwell, counted in frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from edge_segnet.core.documents import utc
from edge_segnet.core.types import Frame, Region, Segmentation
from edge_segnet.scene.alarms import Alarms, Seen
from edge_segnet.scene.events import Event
from edge_segnet.settings.regions import RuleConfig


class RuleState:
    """One rule on one camera. A frame without a value (the region's picture is unknown) changes nothing.

        off: frames in a row beyond the threshold --``frames``--> on
        on:  frames in a row at or past ``clear_at`` --``clear_frames``--> off

    Whether it is on stands in ``alarms``, since an alarm outlives the settings that judge it.
    """

    def __init__(self, config: RuleConfig, camera: str, alarms: Alarms) -> None:
        self.config, self.camera = config, camera
        self._alarms, self._key = alarms, (config.name, camera)
        self._run = 0
        """Frames in a row that speak for a change."""

    @property
    def on(self) -> bool:
        """Whether the alarm is on."""
        return self._alarms.is_on(self._key)

    def update(self, value: float, frame: Frame, picture: Callable[[], bytes] | None = None) -> Event | None:
        """Take the value of a frame; an event if the alarm begins or ends with it. ``picture``: of that moment."""
        on, seen = self.on, Seen.of(value, frame)
        self._alarms.saw(self._key, seen)
        self._run = self._run + 1 if self._speaks_for_change(value, on) else 0
        if self._run < (self.config.clear_frames if on else self.config.frames):
            return None
        self._run = 0
        if on:
            since_ns = self._alarms.since_ns(self._key)
            past_s = None if since_ns is None else round((seen.captured_ns - since_ns) / 1e9, 3)
            event = self._event("clear", seen, self.config.clear_at, past_s)
            return event if self._alarms.clear(event, picture) else None
        event = self._event("start", seen, self.config.threshold, None)
        return event if self._alarms.start(event, seen.captured_ns, picture) else None

    def _speaks_for_change(self, value: float, on: bool) -> bool:
        config = self.config
        if config.below is not None:
            return value >= config.clear_at if on else value < config.below
        return value <= config.clear_at if on else value > config.threshold

    def _event(self, kind: Literal["start", "clear"], seen: Seen, threshold: float, duration_s: float | None) -> Event:
        return Event(
            rule=self.config.name,
            region=self.config.region or "",
            camera=self.camera,
            class_name=self.config.class_name,
            kind=kind,
            at=utc(seen.captured_at),
            value=seen.value,
            threshold=threshold,
            frame_seq=seen.frame_seq,
            measure=self.config.measure,
            duration_s=duration_s,
            synthetic=seen.synthetic,
        )


def value_of(rule: RuleConfig, region: Region | None, segmentation: Segmentation) -> float | None:
    """What the rule looks at: how unfamiliar the picture is, or how much of it is uncertain; of the ``region``, a
    class's share of its pixels, the share of a class's pixels that is uncertain, or the free distance of the nearest
    sector. None: the model does not say.
    """
    if region is None:
        return segmentation.low_margin if rule.uncertain else segmentation.unfamiliar
    if rule.class_name is not None:
        index = segmentation.classes.index(rule.class_name)
        pixels = int(region.counts[index])
        if not rule.uncertain:
            return pixels / max(int(region.counts.sum()), 1)
        return None if region.uncertain is None else float(region.uncertain[index]) / max(pixels, 1)
    if region.free is None:
        raise ValueError(f"{rule.region} measures no free distance")
    return float(min((region.free.metres or ()) if rule.free == "metres" else region.free.rows))
