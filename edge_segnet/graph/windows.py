"""Index pooling with any windows (ENet's are 3x3, two apart, padded by one) as slices, comparisons and selections.

Down: one strided slice of the padded map for each place in the window. In row order each is compared with the largest
so far; "larger" gives the place its turn, so the first maximum wins, as ONNX demands. What is kept is the number of the
winning place, one per window.

Up: windows overlap, so up to four of them may have chosen the same pixel, and the last one in row order wins, as the
runtimes write one value after the other. Pixels of one phase (row and column modulo the stride) lie in the same places
of the windows, so each phase asks its places in the order of their windows; the phases are then woven together.
"""

from __future__ import annotations

from itertools import product
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper

from edge_segnet.graph.edit import Writer
from edge_segnet.graph.pairing import Axis, Pairing

_NOBODY: Final = -1.0
"""The winner's number where there is no window."""


class Windows:
    """Writes the operators of pairings one by one."""

    def __init__(self, writer: Writer) -> None:
        self._write = writer
        self._winners: dict[str, str] = {}

    def pool(self, pairing: Pairing) -> None:
        """The maxima, under the pool's own name; remembers which place of each window won."""
        write, name = self._write, pairing.pool.output[0]
        dtype = helper.tensor_dtype_to_np_dtype(pairing.elem_type)
        rows, columns = pairing.rows, pairing.columns
        source = self._padded(pairing, dtype)
        axes, steps = write.integers("unpool.axes", (2, 3)), write.integers("unpool.steps", (rows.stride,) * 2)
        places = list(product(range(rows.kernel), range(columns.kernel)))
        best = winner = ""
        for number, (row, column) in enumerate(places):
            starts = write.integers("unpool.starts", (row, column))
            reach = [at + (axis.count - 1) * axis.stride + 1 for at, axis in ((row, rows), (column, columns))]
            inputs = [source, starts, write.integers("unpool.ends", reach), axes, steps]
            place = write.node("Slice", inputs, f"{name}.place{number}")
            if not best:
                best, winner = place, write.constant("unpool.number", np.array(0, dtype))
                continue
            larger = write.node("Greater", [place, best], f"{name}.larger{number}")
            mine = write.constant("unpool.number", np.array(number, dtype))
            winner = write.node("Where", [larger, mine, winner], f"{name}.winner{number}")
            last = number + 1 == len(places)
            best = write.node("Where", [larger, place, best], name if last else f"{name}.best{number}", exact=last)
        self._winners[name] = winner

    def _padded(self, pairing: Pairing, dtype: np.dtype[Any]) -> str:
        below, right = (max(margin, 0) for margin in pairing.margins)
        top, left = pairing.rows.before, pairing.columns.before
        if not any((top, left, below, right)):
            return str(pairing.pool.input[0])
        lowest = self._write.constant("unpool.lowest", np.array(np.finfo(dtype).min, dtype))
        pads = self._write.integers("unpool.pads", (0, 0, top, left, 0, 0, below, right))
        return self._write.node("Pad", [pairing.pool.input[0], pads, lowest], f"{pairing.pool.output[0]}.padded")

    def unpool(self, pairing: Pairing, node: onnx.NodeProto) -> None:
        """Every value at its place in the map, zero elsewhere, under the unpool's own name."""
        write, name = self._write, node.output[0]
        dtype = helper.tensor_dtype_to_np_dtype(pairing.elem_type)
        rows, columns = pairing.rows, pairing.columns
        stride = rows.stride
        shifts = [-(-axis.kernel // stride) - 1 for axis in (rows, columns)]
        grid = [self._grid(axis) for axis in (rows, columns)]
        # A phase's pixel y asks windows y, y - 1, ...: those before the first and after the last are nobody's.
        after = [max(size - axis.count, 0) for size, axis in zip(grid, (rows, columns), strict=True)]
        pads = write.integers("unpool.pads", (0, 0, *shifts, 0, 0, *after))
        nobody = write.constant("unpool.nobody", np.array(_NOBODY, dtype))
        zero = write.constant("unpool.zero", np.zeros((), dtype))
        winner = write.node("Pad", [self._winners[pairing.pool.output[0]], pads, nobody], f"{name}.winner")
        value = write.node("Pad", [node.input[0], pads, zero], f"{name}.value")
        moved = {
            move: [self._moved(source, move, shifts, grid) for source in (winner, value)]
            for move in product(range(shifts[0] + 1), range(shifts[1] + 1))
        }
        phases = [
            self._phase(pairing, phase, moved, f"{name}.phase") for phase in product(range(stride), range(stride))
        ]
        full = phases[0]
        if stride > 1:
            stacked = write.node("Concat", phases, f"{name}.phases", axis=1)
            full = write.node("DepthToSpace", [stacked], f"{name}.full", blocksize=stride, mode="DCR")
        starts = write.integers("unpool.starts", (rows.before, columns.before))
        ends = write.integers("unpool.ends", (rows.before + rows.side, columns.before + columns.side))
        write.node("Slice", [full, starts, ends, write.integers("unpool.axes", (2, 3))], name, exact=True)

    @staticmethod
    def _grid(axis: Axis) -> int:
        """Pixels of one phase that cover the padded map."""
        return -(-max(axis.before + axis.side, axis.covered) // axis.stride)

    def _moved(self, source: str, move: tuple[int, int], shifts: list[int], grid: list[int]) -> str:
        """What the window ``move`` rows and columns before says, for every pixel of a phase."""
        starts = [shift - step for shift, step in zip(shifts, move, strict=True)]
        ends = [start + size for start, size in zip(starts, grid, strict=True)]
        write = self._write
        inputs = [write.integers("unpool.starts", starts), write.integers("unpool.ends", ends)]
        inputs.append(write.integers("unpool.axes", (2, 3)))
        return write.node("Slice", [source, *inputs], f"{source}.moved")

    def _phase(
        self, pairing: Pairing, phase: tuple[int, int], moved: dict[tuple[int, int], list[str]], name: str
    ) -> str:
        """The pixels whose row and column leave ``phase`` over when divided by the stride; the last window wins."""
        write, stride = self._write, pairing.rows.stride
        dtype = helper.tensor_dtype_to_np_dtype(pairing.elem_type)
        below = range(phase[0], pairing.rows.kernel, stride)
        right = range(phase[1], pairing.columns.kernel, stride)
        result = write.constant("unpool.zero", np.zeros((), dtype))
        # Late places belong to early windows: the largest row and column come first and are overwritten.
        for row, column in product(reversed(below), reversed(right)):
            winner, value = moved[(row // stride, column // stride)]
            number = write.constant("unpool.number", np.array(row * pairing.columns.kernel + column, dtype))
            mine = write.node("Equal", [winner, number], f"{name}.mine")
            result = write.node("Where", [mine, value, result], f"{name}.pixel")
        return result
