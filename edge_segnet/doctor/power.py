"""Power mode, clocks, heat and throttling, as ``board`` reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from edge_segnet.board import readings
from edge_segnet.board.status import Board
from edge_segnet.board.sysfs import number
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.report import Finding, green, grey, yellow

CLOSE_C: Final = 5.0
"""So near to where the kernel slows down is worth a word."""
OWN_SCALING: Final = ("intel_pstate", "amd-pstate")
"""With these drivers "powersave" is no fixed lowest clock."""


def check_mode(context: Context) -> Iterator[Finding]:
    """A Jetson's nvpmodel."""
    mode = readings.power_mode(context.place.root)
    if mode is None:
        none = context.place.l4t is None
        yield grey("power mode", "no nvpmodel: this is no Jetson" if none else "nvpmodel tells nothing")
        return
    fastest = {other: name for other, name in mode.names.items() if name.startswith("MAXN")}
    words = f"{mode.name or 'unknown'} (mode {mode.number})"
    if fastest and mode.number not in fastest:
        best = max(fastest, key=lambda other: len(fastest[other]))  # MAXN_SUPER is above MAXN
        words += f"; faster: sudo nvpmodel -m {best} ({fastest[best]})"
    yield green("power mode", words, mode=mode.number, name=mode.name)


def check_clocks(context: Context) -> Iterator[Finding]:
    """GPU and CPU: now, and between which bounds."""
    found: list[str] = []
    facts: dict[str, Any] = {}
    clocks = readings.clocks(context.place.root)
    for clock in clocks:
        if clock.kind == "gpu" and clock.hertz is not None:
            told = clock.low is not None and clock.high is not None
            bounds = f" ({(clock.low or 0) // 10**6} to {(clock.high or 0) // 10**6})" if told else ""
            found.append(f"GPU {clock.hertz // 10**6} MHz{bounds}")
            facts["gpu_mhz"] = clock.hertz / 1e6
    cores = [clock for clock in clocks if clock.kind == "cpu"]
    if speeds := [core.hertz for core in cores if core.hertz is not None]:
        found.append(f"CPU {max(speeds) // 10**6} MHz")
        facts["cpu_mhz"] = max(speeds) / 1e6
    if any(core.governor == "powersave" and not core.driver.startswith(OWN_SCALING) for core in cores):
        seen = f"{', '.join(found)}; the governor 'powersave' keeps the CPU at its lowest clock"
        remedy = "echo schedutil | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        yield yellow("clocks", seen, remedy, **facts)
    elif found:
        yield green("clocks", ", ".join(found), **facts)
    else:
        yield grey("clocks", "this machine does not tell (a virtual one?)")


def check_heat(context: Context) -> Iterator[Finding]:
    """Temperatures, and whether the board slows itself down."""
    status = Board(context.place.root).status()
    if events := sum(number(path) or 0 for path in readings.over_currents(context.place.root)):
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
