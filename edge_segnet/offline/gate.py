"""What a new model must reach to take an old one's place: ``mean_iou >= -0.0; Pedestrian >= -0.5``.

A bound's value is NEW - OLD in percentage points; NAME.low and NAME.high are the ends of its interval. ``speed`` is
NEW's frames per second over OLD's.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge_segnet.core.errors import UsageError

_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_BOUND: Final = re.compile(r"\s*(?P<name>.+?)\s*(?P<sign>>=|<=|>|<)\s*(?P<limit>[-+]?(?:\d+\.?\d*|\.\d+))\s*")


@dataclass(frozen=True)
class Bound:
    """``name`` is a figure of the comparison."""

    name: str
    sign: str
    limit: float

    def __str__(self) -> str:
        return f"{self.name} {self.sign} {self.limit:g}"


@dataclass(frozen=True)
class Verdict:
    """``value`` is nan where nobody knows it, which misses the bound."""

    bound: Bound
    value: float

    @property
    def met(self) -> bool:
        return not math.isnan(self.value) and _COMPARE[self.bound.sign](self.value, self.bound.limit)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; an unknown value is null."""
        value = None if math.isnan(self.value) else round(self.value, 3)
        return {"bound": str(self.bound), "value": value, "met": self.met}

    def __str__(self) -> str:
        found = "unknown" if math.isnan(self.value) else f"{self.value:+.2f}"
        return f"{self.bound}: {found}, {'met' if self.met else 'missed'}"


def parse_gate(text: str) -> list[Bound]:
    """The bounds of ``--gate``; raises UsageError."""
    parts = [part for part in text.split(";") if part.strip()]
    found = [_BOUND.fullmatch(part) for part in parts]
    wrong = next((part for part, match in zip(parts, found, strict=True) if match is None), None)
    if wrong is not None or not found:
        what = f"--gate {text!r}: {'no bound' if wrong is None else f'{wrong.strip()!r} is no bound'}"
        raise UsageError(what, hint="write NAME >= NUMBER; ..., for example: mean_iou >= 0; Pedestrian >= -0.5")
    return [Bound(match["name"], match["sign"], float(match["limit"])) for match in found if match is not None]


def check_names(bounds: list[Bound], known: list[str]) -> None:
    """Raises UsageError for a bound about nothing that is compared: known before the run, not after it."""
    for bound in bounds:
        if bound.name.removesuffix(".low").removesuffix(".high") not in known:
            raise UsageError(f"--gate: nothing is called {bound.name!r}", hint=f"known are {', '.join(known)}")


def judge(bounds: list[Bound], figures: Mapping[str, float]) -> list[Verdict]:
    """Every bound with its value; ``figures`` as ``Comparison.figures`` has them."""
    return [Verdict(bound, figures.get(bound.name, math.nan)) for bound in bounds]
