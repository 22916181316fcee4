"""Two reports: what changed beyond noise.

Latencies of one run hang together (heat, other processes), so a test that takes frames as independent finds
differences everywhere. Each run is cut into blocks of time instead; a block's median is one sample, and the spread of
the blocks says how far two equal runs would lie apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

from edge_segnet.bench.report import Distribution, Report

BLOCKS: Final = 10
"""A run is cut into so many pieces, whose medians tell how much it wanders by itself."""
LEAST_PER_BLOCK: Final = 3
SIGMAS: Final = 3.0
"""A change beyond three standard errors is called one: chance gives that 3 times in 1000."""
LEAST_CHANGE: Final = 0.01
"""Smaller changes are reported as none, however quiet the machine was."""
_MAD_TO_SIGMA: Final = 1.4826
_MEDIAN_ERROR: Final = 1.2533
"""A normal distribution's sigma over its median absolute deviation; standard error of a median over that of a mean."""
Kind = Literal["faster", "slower", "same", "unknown"]


@dataclass(frozen=True)
class Change:
    """``noise`` is the smallest relative change that would count; None where a run is too short to tell."""

    name: str
    before: float
    after: float
    noise: float | None
    kind: Kind

    @property
    def share(self) -> float:
        return (self.after - self.before) / self.before if self.before else 0.0


def compare(before: Report, after: Report) -> list[Change]:
    """Median latency per phase with a verdict, then every stage's median and the bare network's, for where it lies."""
    changes = []
    for mode in (name for name in before.phases if name in after.phases):
        old, new = before.phases[mode], after.phases[mode]
        changes.append(_judge(f"{mode} latency p50", old.samples_ms, new.samples_ms))
        for stage in (name for name in old.stages_ms if name in new.stages_ms):
            changes += _plain(f"{mode} {stage} p50", old.stages_ms[stage], new.stages_ms[stage])
    if before.bare and after.bare:
        changes += _plain("bare network p50", before.bare.time_ms, after.bare.time_ms)
    return changes


def _judge(name: str, before: Sequence[float], after: Sequence[float]) -> Change:
    old, new = median(before), median(after)
    errors = [_error(before), _error(after)]
    if errors[0] is None or errors[1] is None:
        return Change(name, old, new, None, "unknown")
    noise = max(SIGMAS * (errors[0] ** 2 + errors[1] ** 2) ** 0.5 / old, LEAST_CHANGE)
    change = (new - old) / old
    kind: Kind = "same" if abs(change) <= noise else ("slower" if change > 0 else "faster")
    return Change(name, old, new, noise, kind)


def _error(samples: Sequence[float]) -> float | None:
    """Standard error of the run's median, from the medians of its blocks."""
    size = len(samples) // BLOCKS
    if size < LEAST_PER_BLOCK:
        return None
    blocks = [median(samples[at * size : (at + 1) * size]) for at in range(BLOCKS)]
    middle = median(blocks)
    spread = _MAD_TO_SIGMA * median(abs(block - middle) for block in blocks)
    return float(_MEDIAN_ERROR * spread / BLOCKS**0.5)


def _plain(name: str, before: Distribution, after: Distribution) -> list[Change]:
    if before.p50 is None or after.p50 is None:
        return []
    return [Change(name, before.p50, after.p50, None, "unknown")]


def differing_conditions(before: Report, after: Report) -> list[str]:
    """What else is not the same in both runs."""
    old, new = before.provenance, after.provenance
    found = []
    for label, was, now in (
        ("model", old.model_sha256 or old.model, new.model_sha256 or new.model),
        ("network size", old.network_size, new.network_size),
        ("backend", old.backend, new.backend),
        ("source", old.source, new.source),
        ("machine", old.machine, new.machine),
        ("versions", old.versions, new.versions),
        ("power mode", before.before.power_mode, after.before.power_mode),
    ):
        if was != now:
            found.append(f"{label}: {_short(was)}, then {_short(now)}")
    return found


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
