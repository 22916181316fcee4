"""What the kernel tells of a board, read in one place: temperatures, clocks, throttling, the power mode.

What is read where: thermal zones (kernel, Documentation/driver-api/thermal/sysfs-api.rst), AMD's sensors under hwmon
(drivers/hwmon/k10temp.c), devfreq (Documentation/ABI/testing/sysfs-class-devfreq), cpufreq
(Documentation/admin-guide/pm/cpufreq.rst), over-current events of a Jetson (``oc*_event_cnt`` of its hwmon device) and
nvpmodel's files (NVIDIA's Jetson Linux developer guide), Intel's throttle counters
(Documentation/ABI/testing/sysfs-devices-system-cpu). ``root`` is where ``sys``, ``proc``, ``etc`` and ``var`` lie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from edge_segnet.board.sysfs import number, text

PLAUSIBLE_C: Final = (-40.0, 200.0)
"""Sensors that are switched off give -256 °C, or an error."""
HWMON_DRIVERS: Final = frozenset({"k10temp", "zenpower"})
"""Intel's sensors are thermal zones already."""
GPU: Final = re.compile(r"gpu|gv11b|ga10b|gp10b|gb10b")
"""How the GPUs of Jetsons are called among the devices with a clock: by kind, or by chip from Xavier to Thor."""
MEMORY: Final = re.compile(r"nvjpg|emc")
"""Others whose clock a picture's way depends on."""


@dataclass(frozen=True)
class Sensor:
    """``kernel_name`` is the driver's word for it, ``name`` a shorter one for people. ``limit_c``: where the kernel
    begins to slow down, or shuts off; None if it says nothing.
    """

    kernel_name: str
    path: Path
    limit_c: float | None = None

    @property
    def name(self) -> str:
        return self.kernel_name.removesuffix("-thermal").removesuffix("-therm")

    @property
    def celsius(self) -> float | None:
        """Now; None where it is off."""
        milli = number(self.path)
        return None if milli is None or not PLAUSIBLE_C[0] < milli / 1000 < PLAUSIBLE_C[1] else round(milli / 1000, 1)


def sensors(root: Path) -> list[Sensor]:
    """Thermal zones, then what only hwmon has."""
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"), key=natural)
    found = [Sensor(text(zone / "type") or zone.name, zone / "temp", _limit(zone)) for zone in zones]
    for device in sorted((root / "sys/class/hwmon").glob("hwmon*"), key=natural):
        driver = text(device / "name")
        if driver in HWMON_DRIVERS:
            paths = sorted(device.glob("temp*_input"), key=natural)
            found += [Sensor(text(_labelled(path)) or driver, path) for path in paths]
    return found


def _labelled(path: Path) -> Path:
    return path.with_name(path.name.replace("_input", "_label"))


def _limit(zone: Path) -> float | None:
    """°C of the first trip point that slows down; else of the one that shuts off."""
    trips: dict[str, list[float]] = {}
    for path in zone.glob("trip_point_*_type"):
        milli = number(zone / path.name.replace("_type", "_temp"))
        if milli is not None and 0.0 < milli / 1000 < PLAUSIBLE_C[1]:
            trips.setdefault(text(path), []).append(milli / 1000)
    return next((min(trips[kind]) for kind in ("passive", "hot", "critical") if kind in trips), None)


@dataclass(frozen=True)
class Clock:
    """Hertz now, and between which bounds, as far as the kernel tells. A CPU core's ``governor`` and its ``driver``."""

    name: str
    kind: Literal["gpu", "memory", "cpu"]
    hertz: int | None
    low: int | None = None
    high: int | None = None
    governor: str = ""
    driver: str = ""


def clocks(root: Path) -> list[Clock]:
    """Of the GPU and the memory, then of every core."""
    found = []
    for device in sorted(root.glob("sys/class/devfreq/*"), key=natural):
        if GPU.search(device.name) or MEMORY.search(device.name):
            now, low, high = (number(device / f"{which}_freq") for which in ("cur", "min", "max"))
            found.append(Clock(device.name, "gpu" if GPU.search(device.name) else "memory", now, low, high))
    for core in sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq"), key=natural):
        kilohertz = number(core / "cpuinfo_cur_freq") or number(core / "scaling_cur_freq")
        hertz = None if kilohertz is None else 1000 * kilohertz
        told = text(core / "scaling_governor"), text(core / "scaling_driver")
        found.append(Clock(core.parent.name, "cpu", hertz, None, None, *told))
    return found


def over_currents(root: Path) -> list[Path]:
    """Counters of how often a rail drew too much since the board was switched on."""
    return sorted(root.glob("sys/class/hwmon/hwmon*/oc*_event_cnt"), key=natural)


def thermal_throttles(root: Path, scope: Literal["core", "package"]) -> list[Path]:
    """Counters of how often heat slowed a core or its package; every core of a package counts the package's events."""
    cores = root / "sys/devices/system/cpu"
    return sorted(cores.glob(f"cpu[0-9]*/thermal_throttle/{scope}_throttle_count"), key=natural)


@dataclass(frozen=True)
class PowerMode:
    """A Jetson's, of nvpmodel; ``names`` of all that it has."""

    number: int
    names: Mapping[int, str]

    @property
    def name(self) -> str | None:
        return self.names.get(self.number)


def power_mode(root: Path) -> PowerMode | None:
    """``pmode:0002`` of nvpmodel's status, with the names of nvpmodel.conf; None: this is no Jetson."""
    status = re.search(r"pmode:(\d+)", text(root / "var/lib/nvpmodel/status"))
    if status is None:
        return None
    listed = re.findall(r"POWER_MODEL ID=(\d+) NAME=(\S+?)\s*>", text(root / "etc/nvpmodel.conf"))
    return PowerMode(int(status[1]), {int(mode): name for mode, name in listed})


def natural(path: Path) -> list[int]:
    """Sorts ``cpu10`` after ``cpu9``."""
    return [int(digits) for digits in re.findall(r"\d+", path.name)] or [
        int(digits) for digits in re.findall(r"\d+", path.parent.name)
    ]
