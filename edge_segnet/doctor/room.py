"""Free disk, memory and swap."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from edge_segnet.core.files import state_folder
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.report import BUDGET, OUTSIDE, Finding, green, red, yellow
from edge_segnet.sinks.registry import SPECS

MB: Final = 1_000_000
DISK_MB: Final = (100, 1000)
"""Free megabytes of a disk: less than the first is red, than the second yellow."""
MEMORY_MB: Final = (300, 1000)
"""Of available memory: the service with segnet-lite has about 300 resident."""
BUILDING_MB: Final = 8500
"""Boards with less memory than this build an engine only with swap (Jetson Orin Nano and older)."""
MAKE_ROOM: Final = "du -xsh /var/log /var/lib/edge-segnet; sudo journalctl --vacuum-size=100M"


def check_disk(context: Context) -> Iterator[Finding]:
    """Every file system that something is written to, once."""
    seen: set[int] = set()
    for name, folder, keep_mb in _folders(context):
        there = _existing(folder)
        device = there.stat().st_dev
        if device not in seen or keep_mb:
            seen.add(device)
            yield _disk(name, folder, there, keep_mb)


def _folders(context: Context) -> Iterator[tuple[str, Path, int]]:
    """(name, folder, megabytes that a sink leaves free)."""
    place, config = context.place, context.config
    yield "state", place.path(str(state_folder())), 0
    yield "/tmp", place.path("/tmp"), 0
    if config is None:
        return
    for spec in SPECS:
        section: Any = config.section(spec.name, spec.settings)
        folder = None if section is None else spec.path(section)
        if folder is not None:
            yield spec.name, place.path(str(folder.absolute())), section.free_mb


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _disk(name: str, folder: Path, there: Path, keep_mb: int) -> Finding:
    facts = os.statvfs(there)
    free = facts.f_bavail * facts.f_frsize // MB
    total = facts.f_blocks * facts.f_frsize // MB
    words = f"{folder}: {_size(free)} free of {_size(total)}"
    numbers: dict[str, Any] = {"free_mb": free, "total_mb": total}
    if facts.f_flag & os.ST_RDONLY:
        remedy = "is the card or disk failing? dmesg | tail; sudo mount -o remount,rw"
        return red("disk", OUTSIDE, f"{there} is mounted read-only", remedy, name, **numbers)
    if facts.f_files and not facts.f_favail:
        return red("disk", BUDGET, f"{folder}: no inode is free", MAKE_ROOM, name, **numbers)
    if free < max(DISK_MB[0], keep_mb):
        why = f"; {name} stops below {keep_mb} MB (free_mb)" if keep_mb > DISK_MB[0] else ""
        return red("disk", BUDGET, words + why, MAKE_ROOM, name, **numbers)
    if free < max(DISK_MB[1], 2 * keep_mb):
        return yellow("disk", words, MAKE_ROOM, name, **numbers)
    return green("disk", words, name, **numbers)


def _size(megabytes: int) -> str:
    return f"{megabytes} MB" if megabytes < 10_000 else f"{megabytes / 1000:.0f} GB"


def check_memory(context: Context) -> Iterator[Finding]:
    """What the kernel and, in a container, the control group leave."""
    text = context.place.text("/proc/meminfo")
    known = {name: int(kb) * 1024 // MB for name, kb in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    total, free, swap = (known.get(name, 0) for name in ("MemTotal", "MemAvailable", "SwapTotal"))
    limit = context.place.number("/sys/fs/cgroup/memory.max")
    if limit is not None and limit // MB < total:
        used = (context.place.number("/sys/fs/cgroup/memory.current") or 0) // MB
        total, free = limit // MB, min(free, limit // MB - used)
    words = f"{_size(free)} available of {_size(total)}, swap {_size(swap) if swap else 'none'}"
    numbers: dict[str, Any] = {"available_mb": free, "total_mb": total, "swap_mb": swap}
    if free < MEMORY_MB[0]:
        yield red("memory", BUDGET, words, "who has it: ps aux --sort=-rss | head; stop the desktop", **numbers)
    elif free < MEMORY_MB[1]:
        yield yellow("memory", words, "who has it: ps aux --sort=-rss | head; stop the desktop", **numbers)
    elif context.place.l4t is not None and total < BUILDING_MB and not swap:
        remedy = "building an engine may be killed here; add 4 GB of swap: docs of your board, or fallocate and mkswap"
        yield yellow("memory", words, remedy, **numbers)
    else:
        yield green("memory", words, **numbers)
