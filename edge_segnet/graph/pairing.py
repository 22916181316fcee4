"""Finds the MaxPools whose Indices are read, with the MaxUnpools that read them, and refuses what is not exact."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.view import View, all_nodes, attributes, label, subgraphs, type_name

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)


@dataclass(frozen=True)
class Pairing:
    """A MaxPool with the MaxUnpools that read its Indices; ``height`` x ``width`` is the map before pooling."""

    pool: onnx.NodeProto
    unpools: tuple[onnx.NodeProto, ...]
    height: int
    width: int
    elem_type: int
    ceil: bool

    @property
    def windows(self) -> tuple[int, int]:
        """(height, width) that the windows cover: larger than the map in ceil mode, smaller in floor mode."""
        up = int(self.ceil)
        return (self.height + up) // 2 * 2, (self.width + up) // 2 * 2

    @property
    def odd(self) -> bool:
        return self.windows != (self.height, self.width)

    @property
    def margins(self) -> tuple[int, int]:
        """Rows and columns that the windows cover beyond (or, negative, short of) the map."""
        return self.windows[0] - self.height, self.windows[1] - self.width


def find_pairings(view: View) -> list[Pairing]:
    """Every MaxPool whose Indices are read, in graph order.

    Raises:
        ModelError: a pool or unpool is not one that can be rewritten exactly; the message names the node.
    """
    for node in (inner for outer in view.graph.node for body in subgraphs(outer) for inner in all_nodes(body)):
        if node.op_type == "MaxUnpool":
            raise ModelError(f"{label(node)} stands inside control flow", hint="export the model without If or Loop")
    pairings = []
    paired: set[str] = set()
    for node in view.graph.node:
        if node.op_type != "MaxPool" or len(node.output) < 2 or not node.output[1]:
            continue
        indices = node.output[1]
        readers = view.consumers[indices]
        for reader in readers:
            if reader.op_type != "MaxUnpool" or reader.input[1] != indices or reader.input[0] == indices:
                hint = "torch's exporter adds a Sub; 'convert --spec' undoes it" if reader.op_type == "Sub" else ""
                what = f"the Indices of {label(node)} are read by {label(reader)}, not by MaxUnpool only"
                raise ModelError(what, hint=hint)
        if indices in view.output_names:
            raise ModelError(f"the Indices of {label(node)} are an output of the model", hint="export it without them")
        if readers:
            pairings.append(_pairing(view, node, readers))
            paired.update(reader.output[0] for reader in readers)
    for node in view.graph.node:
        if node.op_type == "MaxUnpool" and node.output[0] not in paired:
            raise ModelError(f"the Indices of {label(node)} do not come from a MaxPool")
    return pairings


def _pairing(view: View, pool: onnx.NodeProto, unpools: list[onnx.NodeProto]) -> Pairing:
    for node in (pool, *unpools):
        _check_settings(node)
    source = pool.input[0]
    shape = view.shape(source)
    elem_type = view.elem_type(source)
    if len(shape) != 4 or elem_type not in _FLOATS:
        raise ModelError(f"{label(pool)} pools {type_name(elem_type)} {list(shape)}, not a float map [N,C,H,W]")
    ceil = bool(attributes(pool).get("ceil_mode", 0))
    pairing = Pairing(pool, tuple(unpools), shape[2], shape[3], elem_type, ceil)
    for unpool in unpools:
        _check_target(view, unpool, shape, pairing.windows)
    return pairing


def _check_settings(node: onnx.NodeProto) -> None:
    """Refuses every pooling but 2x2/2 without padding or dilation, in row order."""
    given = attributes(node)
    wanted: dict[str, tuple[object, object]] = {  # attribute: (its default, the only value that is understood)
        "kernel_shape": (None, [2, 2]),
        "strides": ([1, 1], [2, 2]),
        "pads": ([0, 0, 0, 0], [0, 0, 0, 0]),
        "dilations": ([1, 1], [1, 1]),
        "storage_order": (0, 0),
        "auto_pad": ("NOTSET", "NOTSET"),
    }
    for name, (default, value) in wanted.items():
        actual = given.get(name, default)
        if actual == "VALID" and not given.get("ceil_mode", 0):
            continue
        if actual != value:
            raise ModelError(f"{label(node)} has {name} {actual}", hint=f"only {value} can be rewritten exactly")


def _check_target(view: View, unpool: onnx.NodeProto, pooled: tuple[int, ...], windows: tuple[int, int]) -> None:
    """Indices count through the map that was pooled: another map size would scatter the values over wrong rows."""
    target = [*pooled[:2], *windows]
    if len(unpool.input) > 2 and unpool.input[2]:
        shape = view.constant(unpool.input[2])
        if shape is None:
            raise ModelError(f"the output_shape of {label(unpool)} depends on the input", hint="export static shapes")
        target = [int(side) for side in shape]
    if target != list(pooled):
        raise ModelError(
            f"{label(unpool)} restores {target} from indices into {list(pooled)}",
            hint="give MaxUnpool the output_shape from before the pooling",
        )
