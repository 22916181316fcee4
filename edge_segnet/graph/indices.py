"""Follows a MaxPool's Indices through the arithmetic that exporters put between them and whoever scatters by them.

ONNX counts Indices through the whole tensor (n, c, y and x), torch inside one channel. Exporters subtract the channel's
start, add it again, flatten, cast: all of it moves every index by an amount that is known before any picture is. So an
integer tensor is either a constant, or some MaxPool's Indices in their own order plus a constant, or not understood.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_segnet.graph.view import View, attributes

_ORDER_KEPT = frozenset(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast"))
_MAX_ELEMENTS = 1 << 27
"""Of one index tensor: a gigabyte of int64, far above any map that is pooled."""
Shift = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Trace:
    """A tensor that holds ``pool``'s Indices, in their order, plus ``shift`` (int64, of the tensor's own shape)."""

    pool: onnx.NodeProto
    source: tuple[int, ...]
    """Shape of the map that was pooled."""
    shift: Shift

    @property
    def is_global(self) -> bool:
        """ONNX's own count: nothing was added."""
        return not self.shift.any()

    @property
    def is_per_channel(self) -> bool:
        """torch's count: each channel starts at 0. A pool over several pictures counts through them as well."""
        batch, channels, *map_shape = self.source
        starts = np.arange(batch * channels, dtype=np.int64) * prod(map_shape)
        return bool((self.shift.reshape(batch * channels, -1) == -starts[:, None]).all())


class Indices:
    """The index tensors of a graph; valid as long as its view."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._traces: dict[str, Trace | None] = {}

    def trace(self, name: str) -> Trace | None:
        """Which Indices a tensor holds; None: not understood, or no Indices at all."""
        if name not in self._traces:
            self._traces[name] = None  # a graph has no cycles; a damaged one must not recurse for ever
            self._traces[name] = self._follow(name)
        return self._traces[name]

    def constant(self, name: str) -> Shift | None:
        """An integer tensor that no picture influences; the Indices of 1x1 pools count simply through their map."""
        node = self._view.producer.get(name)
        if node is not None and _counts_through(node, name):
            shape = self._view.shape(name)
            return np.arange(prod(shape)).reshape(shape) if prod(shape) <= _MAX_ELEMENTS else None
        if node is not None and node.op_type == "Slice":
            whole = self.constant(node.input[0])
            parts = [self._view.constant(part) for part in node.input[1:]]
            return None if whole is None or any(part is None for part in parts) else _sliced(whole, parts)
        value = self._view.constant(name)
        return None if value is None or value.dtype.kind not in "iu" else value.astype(np.int64)

    def _follow(self, name: str) -> Trace | None:
        node = self._view.producer.get(name)
        if node is None:
            return None
        if node.op_type == "MaxPool" and len(node.output) > 1 and node.output[1] == name:
            return self._start(node, name)
        if node.op_type in _ORDER_KEPT:
            inner = self.trace(node.input[0])
            shape = self._view.dims(name)
            if inner is None or shape is None or not all(isinstance(side, int) for side in shape):
                return None
            return Trace(inner.pool, inner.source, inner.shift.reshape(shape))
        if node.op_type in ("Add", "Sub"):
            return self._moved(node)
        if node.op_type == "Where":
            return self._wrapped(node)
        return None

    def _start(self, pool: onnx.NodeProto, name: str) -> Trace | None:
        shape, source = self._view.shape(name), self._view.shape(pool.input[0])
        if attributes(pool).get("storage_order", 0) or prod(shape) > _MAX_ELEMENTS:
            return None
        return Trace(pool, source, np.zeros(shape, np.int64))

    def _moved(self, node: onnx.NodeProto) -> Trace | None:
        left, right = self.trace(node.input[0]), self.trace(node.input[1])
        if node.op_type == "Add" and left is None:
            left, amount = right, self.constant(node.input[0])
        else:
            amount = self.constant(node.input[1]) if right is None else None
        if left is None or amount is None:
            return None
        try:
            shift = left.shift + (amount if node.op_type == "Add" else -amount)
        except ValueError:
            return None
        return Trace(left.pool, left.source, shift) if shift.size == left.shift.size else None

    def _wrapped(self, node: onnx.NodeProto) -> Trace | None:
        """``Where(i < 0, i + n, i)``: how negative indices are allowed for. Ours are never negative."""
        asks, plain = self._view.producer.get(node.input[0]), self.trace(node.input[2])
        if asks is None or asks.op_type != "Less" or asks.input[0] != node.input[2] or plain is None:
            return None
        bound = self.constant(asks.input[1])
        return plain if bound is not None and bound.size == 1 and not bound.any() else None


def _counts_through(node: onnx.NodeProto, name: str) -> bool:
    given = attributes(node)
    return (
        node.op_type == "MaxPool"
        and list(node.output).index(name) == 1
        and set(given["kernel_shape"]) | set(given.get("strides", [1])) == {1}
        and not any(given.get("pads", [0]))
        and not given.get("storage_order", 0)
    )


def _sliced(whole: Shift, parts: list[NDArray[np.int64] | None]) -> Shift:
    """Slice with constant starts, ends, axes and steps, as ONNX numbers them."""
    starts, ends, *rest = [[int(value) for value in np.ravel(part)] for part in parts if part is not None]
    axes = rest[0] if rest else list(range(len(starts)))
    steps = rest[1] if len(rest) > 1 else [1] * len(starts)
    cut = [slice(None)] * whole.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        lowest = None if step < 0 and end < -whole.shape[axis] else end
        cut[axis] = slice(start, lowest, step)
    return whole[tuple(cut)]
