"""How much a graph asks for before anything of it is believed: a few bytes can name a tensor of gigabytes.

Maps that depend on the frame are bounded by what made the model large; a constant that is computed is bounded by
nothing, and every runtime computes it when it loads the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_segnet.core.errors import ModelError

MAX_COMPUTED: Final = 1 << 22
"""Elements of a constant that is computed, not stored; exporters compute shapes, grids and masks."""


GROWING: Final = frozenset(("ConstantOfShape", "Expand", "Range", "Tile"))
"""Operators that make much out of little."""


def fits(node: onnx.NodeProto, feeds: Mapping[str, NDArray[Any]]) -> bool:
    """Whether computing ``node`` from constants gives at most ``MAX_COMPUTED`` elements."""
    values = [feeds[name] for name in node.input if name in feeds]
    return _elements(node.op_type, values) <= MAX_COMPUTED


def _elements(kind: str, values: Sequence[NDArray[Any]]) -> float:
    """Of the output, at most."""
    shapes = [value.shape for value in values]
    if kind != "Range" and kind in GROWING and values:
        asked = math.prod(float(side) for side in values[-1].ravel())
        return asked * (values[0].size if kind != "ConstantOfShape" else 1)
    if kind == "Range" and len(values) == 3:
        start, limit, step = (float(value.ravel()[0]) if value.size else 0.0 for value in values)
        return abs(limit - start) / abs(step) if step else math.inf
    try:
        together = math.prod(np.broadcast_shapes(*shapes)) if shapes else 0
    except ValueError:
        together = 0  # operators that do not broadcast
    return max(together, sum(value.size for value in values))


def require_bounded(node: onnx.NodeProto, dims: Sequence[int | str] | None) -> None:
    """``dims`` of a computed constant, as far as they are known.

    Raises:
        ModelError: it would be larger than any exporter makes one.
    """
    if math.prod(dim for dim in dims or () if isinstance(dim, int)) > MAX_COMPUTED:
        name = f"{node.op_type} '{node.name or next(iter(node.output), '?')}'"
        what = f"{name} computes a constant of more than {MAX_COMPUTED} values"
        raise ModelError(what, hint="export the model again, with static shapes")
