"""What a blob can be while the layers are walked, and how layers give their kernels, strides and paddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.graph.caffe.prototxt import Layer

if TYPE_CHECKING:
    pass

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

MAX_MAP: Final = 1 << 31
"""Elements of one map; more is a mistake or an attack, and would only fail later."""
Size3 = tuple[int, int, int]
"""(channels, height, width)"""
Statistic = NDArray[np.float64]


@dataclass(frozen=True)
class Map:
    """A blob of activations. ``conv``: the convolution that it is the bare result of; ``readers``: how many layers
    read this version of it; ``scores``: for probabilities, the map that they are made from.
    """

    tensor: str
    shape: Size3
    conv: str | None = None
    readers: int = 0
    scores: Map | None = None

    def becomes(self, tensor: str, shape: Size3 | None = None) -> Map:
        """The map after another operator."""
        return Map(tensor, shape or self.shape)


@dataclass(frozen=True)
class Mask:
    """The second top of a pooling: where in ``source`` (the map before it) each of ``pooled``'s maxima stood."""

    indices: str
    source: Size3
    pooled: Size3


@dataclass(frozen=True)
class Truth:
    """Ground truth, which is not there when a network is used."""


@dataclass(frozen=True)
class Labels:
    """The result of an ArgMax: ``scores`` are the logits behind it."""

    scores: Map


Value = Map | Mask | Truth | Labels


def pair(given: Any, name: str, default: int) -> tuple[int, int]:
    """(vertical, horizontal) of pad, kernel_size, stride or dilation: one number, two, or ``_h`` and ``_w``."""
    rows, columns = (f"{name.removesuffix('_size')}_{side}" for side in "hw")
    if hasattr(given, rows) and (given.HasField(rows) or given.HasField(columns)):
        return int(getattr(given, rows)), int(getattr(given, columns))
    value = getattr(given, name)
    if isinstance(value, int):
        return (value, value) if given.HasField(name) else (default, default)
    values = [int(side) for side in value] or [default]
    return values[0], values[-1]


def check_size(layer: Layer, shape: Size3) -> None:
    """Raises ModelError for a map that is empty or absurdly large."""
    if min(shape) < 1 or prod(shape) > MAX_MAP:
        raise layer.error(f"makes a map of {shape[0]}x{shape[1]}x{shape[2]}", hint="is the input size right?")


def sizes(maps: list[Map]) -> str:
    """For messages: ``64x45x60, 64x46x60``."""
    return ", ".join("x".join(map(str, value.shape)) for value in maps)


@dataclass
class Normalisation:
    """How BN layers get the statistics that their weights lack.

    ``batch`` 0: from ``known`` (per layer the mean and the variance of what it reads, [C] each); None: they lack none.
    ``batch`` above 0: each batch of so many pictures is normalised by its own, as in training, and ``measured`` names
    the tensors [C] that say what they are.
    """

    known: Mapping[str, tuple[Statistic, Statistic]] | None = None
    batch: int = 0
    measured: dict[str, tuple[str, str]] = field(default_factory=dict)
