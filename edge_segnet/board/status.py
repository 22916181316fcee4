"""The board's temperatures, and whether it slows itself down: from sysfs, on a Jetson and on a PC."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from edge_segnet.board import readings
from edge_segnet.board.sysfs import number, text

CACHED_S: Final = 1.0
"""Sensors are read once a second at most, however many ask."""
RECENT_S: Final = 10.0
"""A counter that rose so lately means: throttling now."""
SLOWING: Final = re.compile(r"(thermal-)?(cpufreq|devfreq)|processor|cpu|gpu", re.ASCII | re.IGNORECASE)
"""Cooling devices that take speed away; a fan does not."""


def read() -> dict[str, Any]:
    """This machine's ``Board.status``."""
    return _here().status()


@cache
def _here() -> Board:
    return Board()


@dataclass
class _Counter:
    reason: str
    path: Path
    start: int
    value: int
    rose_at: float | None = None


class Board:
    """Reads what it found when it was made, at most once a second. May be asked from any thread."""

    def __init__(self, root: Path = Path("/"), cached_s: float = CACHED_S) -> None:
        """``root``: where ``sys`` and ``proc`` lie."""
        self._cached_s = cached_s
        self._lock = threading.Lock()
        """Guards ``_cached`` and the counters: sinks ask from their own threads."""
        name = text(root / "proc/device-tree/model") or text(root / "sys/class/dmi/id/product_name")
        self._name = name or None
        self._sensors = readings.sensors(root)
        self._cooling = _cooling(root)
        self._counters = _counters(root)
        self._cached: tuple[float, dict[str, Any]] | None = None

    def status(self) -> dict[str, Any]:
        """JSON-ready: {name, temperatures: [{name, celsius, limit_celsius}], throttled,
        throttling: [{reason, active, events}]}, hottest first.

        ``limit_celsius`` is where the kernel begins to slow down, or shuts off, None if it says nothing;
        ``events`` counts since the service began. ``throttled`` is None where the board has nothing that would tell.
        """
        with self._lock:
            now = time.monotonic()
            if self._cached is None or now - self._cached[0] >= self._cached_s:
                self._cached = now, self._read(now)
            return self._cached[1]

    def _read(self, now: float) -> dict[str, Any]:
        heat = [(sensor, celsius) for sensor in self._sensors if (celsius := sensor.celsius) is not None]
        told = [{"name": one.name, "celsius": celsius, "limit_celsius": one.limit_c} for one, celsius in heat]
        reasons = [*self._slowed(), *self._counted(now)]
        known = bool(self._cooling or self._counters)
        return {
            "name": self._name,
            "temperatures": sorted(told, key=lambda reading: -float(reading["celsius"] or 0.0)),
            "throttled": any(reason["active"] for reason in reasons) if known else None,
            "throttling": reasons,
        }

    def _slowed(self) -> list[dict[str, Any]]:
        states = [(kind, number(path)) for kind, path in self._cooling]
        active = sorted({kind for kind, state in states if state is not None and state > 0})
        return [{"reason": f"temperature ({kind})", "active": True, "events": None} for kind in active]

    def _counted(self, now: float) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for counter in self._counters:
            value = number(counter.path)
            if value is not None and value > counter.value:
                counter.value, counter.rose_at = value, now
            active = counter.rose_at is not None and now - counter.rose_at < RECENT_S
            row = found.setdefault(counter.reason, {"reason": counter.reason, "active": False, "events": 0})
            # Every core of a package counts the package's events, so they are not added up.
            row["active"], row["events"] = row["active"] or active, max(row["events"], counter.value - counter.start)
        return [row for row in found.values() if row["active"] or row["events"]]


def _cooling(root: Path) -> list[tuple[str, Path]]:
    devices = sorted((root / "sys/class/thermal").glob("cooling_device*"), key=readings.natural)
    kinds = [(text(device / "type"), device / "cur_state") for device in devices]
    return [(kind, path) for kind, path in kinds if SLOWING.match(kind)]


def _counters(root: Path) -> list[_Counter]:
    paths = [("over-current", path) for path in readings.over_currents(root)]
    scopes: tuple[Literal["core", "package"], ...] = ("core", "package")
    for scope in scopes:
        paths += [(f"temperature ({scope})", path) for path in readings.thermal_throttles(root, scope)]
    values = [(reason, path, number(path)) for reason, path in paths]
    return [_Counter(reason, path, value, value) for reason, path, value in values if value is not None]
