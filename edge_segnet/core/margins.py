"""How sure a label is, as a byte: the same units in the graph's head, in ``cuda/decode.cu`` and in the tests' NumPy."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

UNCERTAIN: Final = 16
"""Below this margin the winner is less than twice as likely as the runner-up; so a unit is a sixteenth of ln 2."""
MARGIN_TOP: Final = 255
"""The largest margin that is told apart: the winner is 2^(255/16), about 63,000 times as likely."""


def margin_scale(temperature: float) -> float:
    """Margin units per unit of logit. Softmax's ratio of two classes is e^(difference / temperature) (Guo et al. 2017,
    arXiv 1706.04599, eq. 9); a ratio of two is ``UNCERTAIN`` units.
    """
    return UNCERTAIN / (temperature * math.log(2))


def uncertain_counts(labels: NDArray[np.uint8], margins: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Pixels of each class [C] whose margin is small; void is no class. Both inputs of one shape."""
    found = np.bincount(labels[margins < UNCERTAIN], minlength=classes + 1)
    return found[:classes].astype(np.int64, copy=False)
