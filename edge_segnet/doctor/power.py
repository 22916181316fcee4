"""Power mode, clocks, heat and throttling: from sysfs, on a Jetson and on a PC.

Read: nvpmodel's status and table, devfreq's GPU clock (NVIDIA, Jetson Linux developer guide, "Power and Performance";
kernel, Documentation/ABI/testing/sysfs-class-devfreq), cpufreq (Documentation/admin-guide/pm/cpufreq.rst).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from edge_segnet.board.status import Board
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.place import Place
from edge_segnet.doctor.report import Finding, green, grey, yellow

GPU: Final = re.compile(r"gpu|gv11b|ga10b|gp10b|gb10b")
CLOSE_C: Final = 5.0
"""So near to where the kernel slows down is worth a word."""
OWN_SCALING: Final = ("intel_pstate", "amd-pstate")
"""With these drivers "powersave" is no fixed lowest clock."""


def check_mode(context: Context) -> Iterator[Finding]:
    """A Jetson's nvpmodel."""
    place = context.place
    status = re.search(r"pmode:(\d+)", place.text("/var/lib/nvpmodel/status"))
    if status is None:
        yield grey("power mode", "no nvpmodel: this is no Jetson" if place.l4t is None else "nvpmodel tells nothing")
        return
    listed = re.findall(r"POWER_MODEL ID=(\d+) NAME=(\S+?)\s*>", place.text("/etc/nvpmodel.conf"))
    names = {int(number): name for number, name in listed}
    number = int(status[1])
    fastest = {other: name for other, name in names.items() if name.startswith("MAXN")}
    words = f"{names.get(number, 'unknown')} (mode {number})"
    if fastest and number not in fastest:
        best = max(fastest, key=lambda other: len(fastest[other]))  # MAXN_SUPER is above MAXN
        words += f"; faster: sudo nvpmodel -m {best} ({fastest[best]})"
    yield green("power mode", words, mode=number, name=names.get(number))


def check_clocks(context: Context) -> Iterator[Finding]:
    """GPU and CPU: now, and between which bounds."""
    found: list[str] = []
    facts: dict[str, Any] = {}
    for device in context.place.glob("/sys/class/devfreq/*"):
        now, low, high = (context.place.number(device / f"{which}_freq") for which in ("cur", "min", "max"))
        if GPU.search(device.name) and now is not None:
            bounds = "" if low is None or high is None else f" ({low // 10**6} to {high // 10**6})"
            found.append(f"GPU {now // 10**6} MHz{bounds}")
            facts["gpu_mhz"] = now / 1e6
    cores = context.place.glob("/sys/devices/system/cpu/cpu[0-9]*/cpufreq")
    speeds = [speed for core in cores if (speed := _core_khz(context.place, core)) is not None]
    if speeds:
        found.append(f"CPU {max(speeds) // 1000} MHz")
        facts["cpu_mhz"] = max(speeds) / 1e3
    slow = next((core for core in cores if _held_low(context.place, core)), None)
    if slow is not None:
        seen = f"{', '.join(found)}; the governor 'powersave' keeps the CPU at its lowest clock"
        remedy = "echo schedutil | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        yield yellow("clocks", seen, remedy, **facts)
    elif found:
        yield green("clocks", ", ".join(found), **facts)
    else:
        yield grey("clocks", "this machine does not tell (a virtual one?)")


def _core_khz(place: Place, core: Path) -> int | None:
    return place.number(core / "cpuinfo_cur_freq") or place.number(core / "scaling_cur_freq")


def _held_low(place: Place, core: Path) -> bool:
    driver = place.text(core / "scaling_driver")
    return place.text(core / "scaling_governor") == "powersave" and not driver.startswith(OWN_SCALING)


def check_heat(context: Context) -> Iterator[Finding]:
    """Temperatures, and whether the board slows itself down."""
    status = Board(context.place.root).status()
    counters = context.place.glob("/sys/class/hwmon/hwmon*/oc*_event_cnt")
    if events := sum(context.place.number(path) or 0 for path in counters):
        seen = f"{events} over-current events since it was switched on"
        remedy = "the power supply or cable is too weak for this power mode: another one, or a lower nvpmodel"
        yield yellow("power supply", seen, remedy, events=events)
    hottest = status["temperatures"][0] if status["temperatures"] else None
    heat = f"hottest: {hottest['name']} {hottest['celsius']:g} °C" if hottest else "no sensors"
    facts: dict[str, Any] = {"throttled": status["throttled"], "hottest": hottest}
    if status["throttled"]:
        why = ", ".join(reason["reason"] for reason in status["throttling"] if reason["active"])
        yield yellow("heat", f"slowed down now by {why}; {heat}", "cool it: fan, heat sink, dust, sun", **facts)
    elif hottest and hottest["limit_celsius"] and hottest["celsius"] > hottest["limit_celsius"] - CLOSE_C:
        seen = f"{heat}, slows down at {hottest['limit_celsius']:g} °C"
        yield yellow("heat", seen, "cool it: fan, heat sink, dust, sun", **facts)
    elif hottest is None and status["throttled"] is None:
        yield grey("heat", "no sensors that tell of heat or throttling", **facts)
    else:
        yield green("heat", f"{heat}, not slowed down" if status["throttled"] is False else heat, **facts)
