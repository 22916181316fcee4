"""Finds the MaxPools whose Indices are read, with the MaxUnpools that read them, and refuses what is not exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import onnx
from onnx import TensorProto

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.view import View, Wiring, all_nodes, attributes, label, subgraphs, type_name

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
MAX_WINDOW: Final = 25
"""Places in a window; each costs a slice and a comparison of the map."""


class NotUnderstood(ModelError):
    """A pooling that can't be rewritten. It may be right all the same, and run where the operators themselves do."""


@dataclass(frozen=True)
class Axis:
    """How windows lie along one axis: ``count`` of them, ``stride`` apart, the first one ``before`` the map."""

    side: int
    kernel: int
    stride: int
    before: int
    count: int

    @property
    def covered(self) -> int:
        """Rows (or columns) from the first window's start to the last one's end."""
        return (self.count - 1) * self.stride + self.kernel

    @property
    def margin(self) -> int:
        """How far the windows reach beyond the map's end; negative where they fall short of it."""
        return self.covered - self.before - self.side


@dataclass(frozen=True)
class Pairing:
    """A MaxPool with the MaxUnpools that read its Indices."""

    pool: onnx.NodeProto
    unpools: tuple[onnx.NodeProto, ...]
    rows: Axis
    columns: Axis
    elem_type: int
    outer: tuple[int, int]
    """Pictures and channels of the map."""
    after: tuple[int, int]
    """The pool's own padding below and at the right."""

    @property
    def halves(self) -> bool:
        """2x2/2 without padding, as every SegNet has it."""
        return all((axis.kernel, axis.stride, axis.before) == (2, 2, 0) for axis in (self.rows, self.columns))

    @property
    def height(self) -> int:
        return self.rows.side

    @property
    def width(self) -> int:
        return self.columns.side

    @property
    def windows(self) -> tuple[int, int]:
        """(height, width) that the windows cover: larger than the map in ceil mode, smaller in floor mode."""
        return self.rows.covered, self.columns.covered

    @property
    def odd(self) -> bool:
        return self.margins != (0, 0)

    @property
    def margins(self) -> tuple[int, int]:
        """Rows and columns that the windows reach beyond (or, negative, short of) the map."""
        return self.rows.margin, self.columns.margin

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns that the windows reach beyond the map."""
        below, right = self.margins
        return max(below, 0), max(right, 0)

    @property
    def overhang(self) -> tuple[int, int]:
        """Rows and columns beyond the map and its padding, where only ceil mode looks."""
        reach = zip(self.margins, self.after, strict=True)
        below, right = (max(margin - pad, 0) for margin, pad in reach)
        return below, right


def find_pairings(view: View, *, strict: bool = True) -> list[Pairing]:
    """Every MaxPool whose Indices are read, in graph order; without ``strict`` those that are not understood are left
    out.

    Raises:
        NotUnderstood: a pool or unpool is not one that can be rewritten exactly; the message names the node.
        ModelError: an unpool restores another map than was pooled.
    """
    pairings = []
    for node in _index_pools(view):
        try:
            readers = _readers(view, node)
            if readers:
                pairings.append(_pairing(view, node, readers))
        except NotUnderstood:
            if strict:
                raise
    if strict:
        _check_all_found(view, {reader.output[0] for pairing in pairings for reader in pairing.unpools})
    return pairings


def find_unpoolings(view: Wiring) -> dict[str, str]:
    """What every MaxUnpool gives, and the map that was pooled, by the graph's wiring alone; raises NotUnderstood."""
    found = {}
    for node in _index_pools(view):
        if readers := _readers(view, node):
            _settings(node)
            found.update({reader.output[0]: node.input[0] for reader in readers})
    _check_all_found(view, set(found))
    return found


def _index_pools(view: Wiring) -> list[onnx.NodeProto]:
    return [node for node in view.graph.node if node.op_type == "MaxPool" and len(node.output) > 1 and node.output[1]]


def _readers(view: Wiring, pool: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The MaxUnpools that read a pool's Indices; raises NotUnderstood where somebody else does."""
    indices = pool.output[1]
    readers = view.consumers[indices]
    for reader in readers:
        if reader.op_type != "MaxUnpool" or reader.input[1] != indices or reader.input[0] == indices:
            what = f"the Indices of {label(pool)} are read by {label(reader)}, which is no unpooling that is known"
            raise NotUnderstood(what, hint="torch's nn.MaxUnpool2d is one, in torch.onnx.export's own words")
    if indices in view.output_names:
        raise NotUnderstood(f"the Indices of {label(pool)} are an output of the model", hint="export it without them")
    return readers


def _check_all_found(view: Wiring, paired: set[str]) -> None:
    for node in (inner for outer in view.graph.node for body in subgraphs(outer) for inner in all_nodes(body)):
        if node.op_type == "MaxUnpool":
            raise NotUnderstood(f"{label(node)} stands inside control flow", hint="export the model without If or Loop")
    for node in view.graph.node:
        if node.op_type == "MaxUnpool" and node.output[0] not in paired:
            raise NotUnderstood(f"the Indices of {label(node)} do not come from a MaxPool")


def _pairing(view: View, pool: onnx.NodeProto, unpools: list[onnx.NodeProto]) -> Pairing:
    source = pool.input[0]
    shape = view.shape(source)
    elem_type = view.elem_type(source)
    if len(shape) != 4 or elem_type not in _FLOATS:
        raise NotUnderstood(f"{label(pool)} pools {type_name(elem_type)} {list(shape)}, not a float map [N,C,H,W]")
    kernel, stride, pads = _settings(pool)
    counts = view.shape(pool.output[0])[2:]
    rows, columns = (Axis(shape[2 + at], kernel[at], stride[at], pads[at], counts[at]) for at in range(2))
    pairing = Pairing(pool, tuple(unpools), rows, columns, elem_type, (shape[0], shape[1]), (pads[2], pads[3]))
    for unpool in unpools:
        _check_target(view, unpool, shape, pairing)
    return pairing


def _settings(pool: onnx.NodeProto) -> tuple[list[int], list[int], list[int]]:
    """Kernel, strides and pads (top, left, bottom, right) of windows that can be undone exactly.

    Raises:
        NotUnderstood: they can't be.
    """
    given = attributes(pool)
    kernel = list(given["kernel_shape"])
    stride, pads = list(given.get("strides", [1, 1])), list(given.get("pads", [0, 0, 0, 0]))
    valid = given.get("auto_pad", "NOTSET") == "VALID" and not given.get("ceil_mode", 0)
    wanted = {
        "dilations": (given.get("dilations", [1, 1]), [1, 1]),
        "storage_order": (given.get("storage_order", 0), 0),
        "auto_pad": ("NOTSET" if valid else given.get("auto_pad", "NOTSET"), "NOTSET"),
        "strides": (stride, [stride[0]] * 2),
    }
    for name, (actual, value) in wanted.items():
        if actual != value:
            raise NotUnderstood(f"{label(pool)} has {name} {actual}", hint=f"only {value} can be rewritten exactly")
    if len(kernel) != 2 or not 1 < kernel[0] * kernel[1] <= MAX_WINDOW or stride[0] > min(kernel):
        what = f"{label(pool)} has windows of {kernel} and strides {stride}"
        raise NotUnderstood(what, hint=f"windows of 2 to {MAX_WINDOW} places without gaps can be rewritten")
    return kernel, stride, pads


def _check_target(view: View, unpool: onnx.NodeProto, pooled: tuple[int, ...], pairing: Pairing) -> None:
    """Indices count through the map that was pooled: another map size would scatter the values over wrong rows."""
    target = [*pooled[:2], *pairing.windows]
    if len(unpool.input) > 2 and unpool.input[2]:
        shape = view.constant(unpool.input[2])
        if shape is None:
            raise NotUnderstood(
                f"the output_shape of {label(unpool)} depends on the input", hint="export static shapes"
            )
        target = [int(side) for side in shape]
    elif not pairing.halves:
        target = list(pooled)[:2] + [
            _restored(unpool, at, axis) for at, axis in enumerate((pairing.rows, pairing.columns))
        ]
    if target != list(pooled):
        raise ModelError(
            f"{label(unpool)} restores {target} from indices into {list(pooled)}",
            hint="give MaxUnpool the output_shape from before the pooling",
        )


def _restored(unpool: onnx.NodeProto, at: int, axis: Axis) -> int:
    """The size that MaxUnpool takes where it is told none (ONNX, operator MaxUnpool)."""
    given = attributes(unpool)
    pads = given.get("pads", [0, 0, 0, 0])
    stride, kernel = given.get("strides", [1, 1])[at], given["kernel_shape"][at]
    return int((axis.count - 1) * stride + kernel - pads[at] - pads[at + 2])
