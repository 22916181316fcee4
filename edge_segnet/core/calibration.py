"""What a model knows of its own sureness: a temperature for its logits, and how sure it was of pictures like those that
it learnt from. Fitted by ``edge-segnet evaluate --calibrate``, kept in the model file, refused with other weights.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from edge_segnet.core.errors import UsageError

TEMPERATURES: Final = (0.1, 20.0)
HALF_AT: Final = 3.0
"""Standard deviations below the mean at which a picture is as likely unfamiliar as not."""
STEEPNESS: Final = 1.5
"""Of the curve, per standard deviation: four of them lead from one in twenty to nineteen in twenty."""


@dataclass(frozen=True)
class Calibration:
    """``temperature`` divides the logits before they are called probabilities (Guo et al. 2017, arXiv 1706.04599).
    ``winning_mean`` and ``winning_deviation``: of the winning logit's mean over a picture, over pictures of the kind
    that the model learnt from. ``weights``: fingerprint of the weights that all this was measured with.
    ``measured_on``: says where, in words.
    """

    temperature: float
    winning_mean: float
    winning_deviation: float
    weights: str
    measured_on: str = ""

    def unfamiliar(self, winning: float) -> float:
        """0..1 for a picture whose winning logit is ``winning`` on average; 0.5 is three standard deviations low."""
        distance = (self.winning_mean - winning) / self.winning_deviation
        return 1.0 / (1.0 + math.exp(min(-STEEPNESS * (distance - HALF_AT), 700.0)))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def from_dict(values: object, where: str) -> Calibration:
    """What ``to_dict`` made; raises UsageError, with the impossible value."""
    if not isinstance(values, dict):
        raise UsageError(f"{where}: the calibration is {values!r}")
    names = {each.name for each in fields(Calibration)}
    if unknown := sorted(values.keys() - names) or sorted(names - {"measured_on"} - values.keys()):
        raise UsageError(f"{where}: {unknown[0]!r} in the calibration is unknown or missing")
    numbers = {name: values[name] for name in ("temperature", "winning_mean", "winning_deviation")}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise UsageError(f"{where}: {name} of the calibration is {value!r}")
    least, most = TEMPERATURES
    if not least <= numbers["temperature"] <= most or numbers["winning_deviation"] <= 0.0:
        raise UsageError(
            f"{where}: impossible calibration {numbers} (temperature {least:g} to {most:g}, deviation > 0)"
        )
    if not all(isinstance(values.get(name, ""), str) for name in ("weights", "measured_on")):
        raise UsageError(f"{where}: the calibration's fingerprint is no text")
    return Calibration(**{**values, **{name: float(value) for name, value in numbers.items()}})
