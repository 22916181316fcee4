"""Index pooling in the words of each runtime, exactly.

A MaxPool with Indices and the MaxUnpools that read them become one of two forms (2x2/2 here, others in ``windows``):

* native (ONNX Runtime): the operators stay, known or not. ONNX Runtime's MaxUnpool refuses windows that reach beyond
  the map (ceil mode), so there the map's last row and column are repeated, and what was unpooled is cut: a copy comes
  after its original, so it never wins. (OpenVINO can't compile a quantised net that is padded with the lowest value.)
* operators (TensorRT, OpenVINO, OpenCV: their parsers refuse Indices and MaxUnpool): the four corners of every window
  play a tournament, top row, bottom row, then the two winners. Three comparisons "later > earlier" say who won, so the
  first maximum in row order wins, as ONNX demands and Caffe does, and exactly one corner gets the value back, whatever
  the precision: nothing is ever compared with a maximum that was computed elsewhere.

The rewrite "input == upsampled maximum" that is often seen is wrong: ReLU's zeros tie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from onnx import helper

from edge_segnet.graph.edit import Writer, install
from edge_segnet.graph.pairing import Pairing, find_pairings
from edge_segnet.graph.view import View
from edge_segnet.graph.windows import Windows

Form = Literal["native", "operators"]


@dataclass(frozen=True)
class UnpoolCounts:
    """What ``rewrite`` met and changed; ``odd`` counts pools on odd maps, ``padded`` those that had to be padded."""

    pools: int
    unpools: int
    odd: int
    padded: int


def rewrite(model: onnx.ModelProto, form: Form, view: View | None = None) -> tuple[onnx.ModelProto, UnpoolCounts]:
    """Put every pairing of ``model`` into ``form``; names of inputs, outputs and replaced maps stay.

    Args:
        model: any ONNX model of opset 11 or later with static shapes; it is not changed.
        form: "native" or "operators", see the module.
        view: of ``model``, if somebody has made one.

    Returns:
        A new model without value_info, and the counts.

    Raises:
        ModelError: see ``pairing.find_pairings``; in native form only where the graph itself is wrong.
    """
    view = view or View(model)
    pairings = find_pairings(view, strict=form == "operators")
    result = onnx.ModelProto()
    result.CopyFrom(model)
    writer = Writer(view)
    edit = _Operators(writer) if form == "operators" else _Native(writer)
    pools = {pairing.pool.output[0]: pairing for pairing in pairings}
    unpools = {node.output[0]: pairing for pairing in pairings for node in pairing.unpools}
    for node in model.graph.node:
        name = next(iter(node.output), "")
        if name in pools:
            edit.pool(pools[name])
        elif name in unpools:
            edit.unpool(unpools[name], node)
        elif form == "operators" and node.op_type == "MaxPool" and len(node.output) > 1:
            writer.nodes.append(_without_indices(node))
        else:
            writer.nodes.append(node)
    install(result.graph, writer)
    odd = [pairing for pairing in pairings if pairing.odd]
    counts = UnpoolCounts(len(pools), len(unpools), len(odd), sum(any(one.overhang) for one in pairings))
    return result, counts


def _without_indices(node: onnx.NodeProto) -> onnx.NodeProto:
    """A MaxPool whose Indices nobody reads, as one that every runtime takes."""
    plain = onnx.NodeProto()
    plain.CopyFrom(node)
    del plain.output[1:]
    for index in reversed([i for i, entry in enumerate(plain.attribute) if entry.name == "storage_order"]):
        del plain.attribute[index]
    return plain


class _Native:
    """Keeps the operators; pads where windows reach beyond the map and its own padding."""

    def __init__(self, writer: Writer) -> None:
        self._write = writer

    def pool(self, pairing: Pairing) -> None:
        pool = onnx.NodeProto()
        pool.CopyFrom(pairing.pool)
        if any(pairing.overhang):
            pool.input[0] = _repeat_edge(self._write, pairing, pairing.overhang)
        self._write.nodes.append(pool)

    def unpool(self, pairing: Pairing, node: onnx.NodeProto) -> None:
        if not any(pairing.overhang):
            self._write.nodes.append(node)
            return
        name = node.output[0]
        below, right = pairing.overhang
        full, unpool = self._write.fresh(f"{name}.full"), onnx.NodeProto()
        unpool.CopyFrom(node)
        del unpool.input[2:], unpool.output[:]
        unpool.output.append(full)
        unpool.name = full
        shape = (*pairing.outer, pairing.height + below, pairing.width + right)
        unpool.input.append(self._write.integers(f"{name}.shape", shape))
        self._write.nodes.append(unpool)
        _cut(self._write, full, pairing, name)


class _Operators:
    """Slices, comparisons and selections; halves are a tournament, other windows are ``Windows``'s."""

    def __init__(self, writer: Writer) -> None:
        self._write = writer
        self._windows = Windows(writer)
        self._masks: dict[str, tuple[str, str, str]] = {}

    def pool(self, pairing: Pairing) -> None:
        if not pairing.halves:
            self._windows.pool(pairing)
            return
        write, name = self._write, pairing.pool.output[0]
        beyond = any(margin > 0 for margin in pairing.margins)
        source = _repeat_edge(write, pairing, pairing.reach) if beyond else pairing.pool.input[0]
        ends = write.integers("unpool.ends", pairing.windows)
        axes, steps = write.integers("unpool.axes", (2, 3)), write.integers("unpool.steps", (2, 2))
        corners = []
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            starts = write.integers("unpool.starts", (row, column))
            corners.append(write.node("Slice", [source, starts, ends, axes, steps], f"{name}.corner{row}{column}"))
        top, right_above = self._winner(corners[0], corners[1], f"{name}.top")
        bottom, right_below = self._winner(corners[2], corners[3], f"{name}.bottom")
        below = write.node("Greater", [bottom, top], f"{name}.below")
        write.node("Where", [below, bottom, top], name, exact=True)
        self._masks[name] = (right_above, right_below, below)

    def _winner(self, earlier: str, later: str, name: str) -> tuple[str, str]:
        """The larger of two maps and the mask that says it was the later one; the earlier one wins a tie."""
        mask = self._write.node("Greater", [later, earlier], f"{name}.right")
        return self._write.node("Where", [mask, later, earlier], name), mask

    def unpool(self, pairing: Pairing, node: onnx.NodeProto) -> None:
        if not pairing.halves:
            self._windows.unpool(pairing, node)
            return
        write, name, value = self._write, node.output[0], node.input[0]
        right_above, right_below, below = self._masks[pairing.pool.output[0]]
        dtype = helper.tensor_dtype_to_np_dtype(pairing.elem_type)
        zero = write.constant("unpool.zero", np.zeros((), dtype))
        top = write.node("Where", [below, zero, value], f"{name}.top")
        bottom = write.node("Where", [below, value, zero], f"{name}.bottom")
        corners = [
            write.node("Where", [right_above, zero, top], f"{name}.corner00"),
            write.node("Where", [right_above, top, zero], f"{name}.corner01"),
            write.node("Where", [right_below, zero, bottom], f"{name}.corner10"),
            write.node("Where", [right_below, bottom, zero], f"{name}.corner11"),
        ]
        stacked = write.node("Concat", corners, f"{name}.corners", axis=1)
        # Corner-major stacking is DepthToSpace's "DCR" order, so no Reshape (and no channel count) is needed.
        full = write.node("DepthToSpace", [stacked], f"{name}.full", blocksize=2, mode="DCR") if pairing.odd else name
        if not pairing.odd:
            write.node("DepthToSpace", [stacked], name, exact=True, blocksize=2, mode="DCR")
        elif min(pairing.margins) >= 0:
            _cut(write, full, pairing, name)
        else:
            rows, columns = pairing.margins
            pads = write.integers("unpool.pads", (0, 0, 0, 0, 0, 0, -rows, -columns))
            write.node("Pad", [full, pads], name, exact=True)


def _repeat_edge(write: Writer, pairing: Pairing, margins: tuple[int, int]) -> str:
    pads = write.integers("unpool.pads", (0, 0, 0, 0, 0, 0, *margins))
    return write.node("Pad", [pairing.pool.input[0], pads], f"{pairing.pool.output[0]}.padded", mode="edge")


def _cut(write: Writer, full: str, pairing: Pairing, name: str) -> None:
    starts, axes = write.integers("unpool.starts", (0, 0)), write.integers("unpool.axes", (2, 3))
    ends = write.integers("unpool.ends", (pairing.height, pairing.width))
    write.node("Slice", [full, starts, ends, axes], name, exact=True)
