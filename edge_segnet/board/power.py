"""What a run of the benchmark notes of its board; and the board's power, sampled while a block runs.

Power is INA3221's rails (kernel, Documentation/hwmon/ina3221.rst: in*_input in mV, curr*_input in mA).
"""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from edge_segnet.bench.report import Energy, Readings
from edge_segnet.board import readings
from edge_segnet.board.sysfs import number, text
from edge_segnet.core import threads

TOTAL_RAILS: Final = ("VDD_IN", "POM_5V_IN", "VIN", "SYS_VIN")
"""Whole-board rails by name (Orin Nano and NX, Nano, Thor); without one, all rails are summed (AGX Orin)."""
PERIOD_S: Final = 0.1
"""The sensor averages for about as long."""


def read_board(root: Path = Path("/")) -> Readings:
    """Everything but power; ``root`` is where ``sys``, ``etc`` and ``var`` lie."""
    return Readings(
        temperatures_c={
            each.kernel_name: celsius for each in readings.sensors(root) if (celsius := each.celsius) is not None
        },
        clocks_mhz={each.name: round(each.hertz / 1e6, 1) for each in readings.clocks(root) if each.hertz is not None},
        throttle_events=_throttle_events(root),
        power_mode=_power_mode(root),
    )


def nvmap_mb(root: Path = Path("/")) -> float | None:
    """What a Jetson's GPU has allocated of the shared memory."""
    found = re.search(r"^NvMapMemUsed:\s+(\d+) kB", text(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) / 1e3 if found else None


def _throttle_events(root: Path) -> dict[str, int]:
    paths = [*readings.over_currents(root), *readings.thermal_throttles(root, "package")[:1]]
    return {path.name: value for path in paths if (value := number(path)) is not None}


def _power_mode(root: Path) -> str | None:
    mode = readings.power_mode(root)
    return None if mode is None else f"{mode.number} ({mode.name})" if mode.name else str(mode.number)


class PowerMeter:
    """Samples the board's power on a thread while a block runs: ``with PowerMeter() as meter: ...``."""

    def __init__(self, root: Path = Path("/"), period_s: float = PERIOD_S) -> None:
        self.rail, self._sensors = _rails(root)
        self.watts: list[float] = []
        self.seconds = 0.0
        self._period_s = period_s
        self._stop = threading.Event()
        self._thread = threads.Thread(self._sample, "power")

    def __enter__(self) -> PowerMeter:
        self._started = time.perf_counter()
        if self._sensors:
            self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop.set()
        if self._sensors:
            self._thread.join()
        self.seconds = time.perf_counter() - self._started

    def _sample(self) -> None:
        while True:
            readings = [_watts(*sensor) for sensor in self._sensors]
            known = [reading for reading in readings if reading is not None]
            if len(known) == len(readings):
                self.watts.append(sum(known))
            if self._stop.wait(self._period_s):
                return

    def energy(self, frames: int) -> Energy | None:
        """Mean power times time, over the frames that it paid for; None without a sensor."""
        if not self.watts or frames == 0:
            return None
        mean = sum(self.watts) / len(self.watts)
        return Energy(
            rail=self.rail,
            samples=len(self.watts),
            mean_w=round(mean, 3),
            peak_w=round(max(self.watts), 3),
            joules_per_frame=round(mean * self.seconds / frames, 4),
        )


def _rails(root: Path) -> tuple[str, list[tuple[Path, Path]]]:
    """The rail to report, and (voltage, current) files of it: the whole board's, or all of them."""
    found: dict[str, tuple[Path, Path]] = {}
    for device in sorted(root.glob("sys/class/hwmon/hwmon*")):
        if text(device / "name") != "ina3221":
            continue
        for label in sorted(device.glob("in[0-9]_label")):
            channel = label.name[2]
            pair = device / f"in{channel}_input", device / f"curr{channel}_input"
            if all(path.exists() for path in pair) and not text(label).startswith("sum of"):
                found[text(label)] = pair
    whole = next((name for name in TOTAL_RAILS if name in found), None)
    return (whole, [found[whole]]) if whole else (" + ".join(found), list(found.values()))


def _watts(voltage: Path, current: Path) -> float | None:
    millivolts, milliamperes = number(voltage), number(current)
    return None if millivolts is None or milliamperes is None else millivolts * milliamperes / 1e6
