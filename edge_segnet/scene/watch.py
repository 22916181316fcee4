"""A watch on one camera: an alarm like a rule's, but it counts seconds, and needs no frame to be decided."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from edge_segnet.core.documents import utc
from edge_segnet.scene.alarms import Alarms
from edge_segnet.scene.events import Event
from edge_segnet.settings.watch import WatchConfig


@dataclass(frozen=True)
class Vitals:
    """How a camera is: results per second, ms since its newest result was captured (None: there was none), whether
    good frames come, and the number of its newest frame.
    """

    frames_per_second: float
    age_ms: float | None
    running: bool
    seq: int = 0
    synthetic: bool = False


class WatchState:
    """off --bad for ``for_s``--> on --well for ``for_s``--> off; asked now and then, from one thread."""

    def __init__(self, config: WatchConfig, camera: str, alarms: Alarms, now_s: float | None = None) -> None:
        self.config, self.camera = config, camera
        self._alarms, self._key = alarms, (config.name, camera)
        self._since_s = time.monotonic() if now_s is None else now_s
        """Since when it is as it is not told yet."""

    def look(self, vitals: Vitals, now_s: float) -> None:
        """An event, if it is time for one."""
        on = self._alarms.is_on(self._key)
        if self._is_bad(vitals) == on:
            self._since_s = now_s
            return
        if now_s - self._since_s < self.config.for_s:
            return
        if on:
            began_ns = self._alarms.since_ns(self._key)
            past_s = None if began_ns is None else round(now_s - began_ns / 1e9, 3)
            self._alarms.clear(self._event("clear", vitals, now_s, past_s))
        else:
            self._alarms.start(self._event("start", vitals, now_s, None), int(1e9 * now_s))
        self._since_s = now_s

    def _is_bad(self, vitals: Vitals) -> bool:
        config = self.config
        if config.frames_per_second_below is not None:
            return vitals.frames_per_second < config.frames_per_second_below
        if config.age_ms_above is not None:
            return vitals.age_ms is None or vitals.age_ms > config.age_ms_above
        return not vitals.running

    def _event(self, kind: Literal["start", "clear"], vitals: Vitals, now_s: float, past_s: float | None) -> Event:
        values = {
            "frames_per_second": vitals.frames_per_second,
            "age_ms": vitals.age_ms or 0.0,
            "not_running": 0.0 if vitals.running else now_s - self._since_s,
        }
        return Event(
            rule=self.config.name,
            region="",
            camera=self.camera,
            class_name=None,
            kind=kind,
            at=utc(time.time()),
            value=round(values[self.config.measure], 3),
            threshold=self.config.threshold,
            frame_seq=vitals.seq,
            measure=self.config.measure,
            duration_s=past_s,
            synthetic=vitals.synthetic,
        )
