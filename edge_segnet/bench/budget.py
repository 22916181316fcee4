"""Bounds for a report, from a YAML file, so that a slower release fails where it is tested.

phases.back_to_back.fps: {min: 15}
phases.back_to_back.latency_ms.p99: {max: 90}
bare.overhead_share: {max: 0.05}
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_segnet.bench.report import Report
from edge_segnet.core import yaml
from edge_segnet.core.errors import SettingsError


@dataclass(frozen=True)
class Bound:
    """``name`` is a path into the report."""

    name: str
    low: float | None
    high: float | None

    @property
    def text(self) -> str:
        limits = ((">=", self.low), ("<=", self.high))
        return " and ".join(f"{sign} {limit:g}" for sign, limit in limits if limit is not None)


@dataclass(frozen=True)
class Verdict:
    """``value`` is None where the run did not measure it (too few samples, say), which breaks the bound."""

    bound: Bound
    value: float | None

    @property
    def met(self) -> bool:
        if self.value is None:
            return False
        return (self.bound.low is None or self.value >= self.bound.low) and (
            self.bound.high is None or self.value <= self.bound.high
        )


def read_budget(path: Path) -> list[Bound]:
    """Raises SettingsError: not a budget; says which line of it."""
    data = yaml.read(path).data
    if not isinstance(data, dict) or not data:
        hint = "write for example: phases.back_to_back.fps: {min: 15}"
        raise SettingsError("no bounds", hint=hint, path=str(path))
    return [_bound(path, str(name), value) for name, value in data.items()]


def _bound(path: Path, name: str, value: Any) -> Bound:
    good = isinstance(value, dict) and value and set(value) <= {"min", "max"}
    if not good or not all(isinstance(limit, (int, float)) and not isinstance(limit, bool) for limit in value.values()):
        hint = "write {min: NUMBER} or {max: NUMBER}, or both"
        raise SettingsError(f"{value!r} is no bound", hint=hint, key=(name,), path=str(path))
    return Bound(name, value.get("min"), value.get("max"))


def judge(report: Report, bounds: list[Bound]) -> list[Verdict]:
    """Raises SettingsError: a bound names nothing that a report has."""
    return [Verdict(bound, _look_up(report.model_dump(mode="json"), bound.name)) for bound in bounds]


def _look_up(document: Any, name: str) -> float | None:
    for part in name.split("."):
        if document is None:
            return None  # a part that this run has not: paced, or the bare network
        if not isinstance(document, dict) or part not in document:
            if part in ("paced", "back_to_back"):
                return None
            known = ", ".join(document) if isinstance(document, dict) else "nothing below"
            raise SettingsError(f"budget: {name}: a report has no '{part}' there", hint=f"it has {known}")
        document = document[part]
    if document is not None and not isinstance(document, (int, float)):
        raise SettingsError(f"budget: {name} is not a number", hint="name a figure, such as phases.back_to_back.fps")
    return document
