"""How large the values of every map grow: histograms over pictures, and three ways to cut them.

ONNX Runtime's own calibrators keep all maps of all pictures (hundreds of megabytes a picture here) and know no MSE; of
these histograms a net of 60 maps keeps one megabyte, however many pictures come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge_segnet.backends.onnx import CpuOptions, make_session
from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import Frame
from edge_segnet.graph.lower import lower
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.graph.quantise import LEVELS

Method = Literal["mse", "percentile", "minmax"]
METHODS: Final[tuple[Method, ...]] = ("mse", "percentile", "minmax")
PERCENTILE: Final = 0.9999
"""Share of the values that a map holds whole; TensorRT's and ONNX Runtime's percentile calibration start from it."""
BINS: Final = 2048
"""Fine enough for a cut to 20 % of the largest value to have 400 of them."""
SAMPLED: Final = 1 << 17
"""Values of a map that go into the histogram, taken evenly; the largest value is looked for among all."""
_CUTS: Final = np.linspace(0.2, 1.0, 81)
"""Shares of the largest value that are tried for the least squared error."""


class Histogram:
    """Sizes of a map's values, in ``BINS`` equal bins up to the largest one so far."""

    def __init__(self) -> None:
        self.largest = 0.0
        self.counts: NDArray[np.float64] = np.zeros(BINS)

    def add(self, values: NDArray[Any]) -> None:
        """Count a map's values; raises ModelError for such as are no numbers."""
        flat = values.ravel()
        largest = float(max(flat.max(), -flat.min()))
        if not np.isfinite(largest):
            raise ModelError("a map of the network holds values that are no numbers", hint="export the model again")
        if largest > self.largest:
            self._widen(largest)
        if self.largest:
            sizes = np.abs(flat[:: max(1, flat.size // SAMPLED)])
            self.counts += np.histogram(sizes, BINS, (0.0, self.largest))[0]

    def _widen(self, largest: float) -> None:
        places = np.minimum(self.middles / largest * BINS, BINS - 1).astype(np.int64)
        if self.largest:
            self.counts = np.bincount(places, self.counts, BINS).astype(np.float64)
        self.largest = largest

    @property
    def middles(self) -> NDArray[np.float64]:
        """The bins' middles, float64 [BINS]."""
        return (np.arange(BINS) + 0.5) * self.largest / BINS

    def cut(self, method: Method) -> float:
        """The largest value that int8 should hold: ``minmax`` the largest seen, ``percentile`` what ``PERCENTILE`` of
        the values stay below, ``mse`` what loses least to rounding and cutting together.
        """
        total = self.counts.sum()
        if method == "minmax" or not total:
            return self.largest
        if method == "percentile":
            place = int(np.searchsorted(self.counts.cumsum(), PERCENTILE * total))
            return min((place + 1) * self.largest / BINS, self.largest)
        cuts = _CUTS * self.largest
        return float(cuts[np.argmin([self._error(cut) for cut in cuts])])

    def _error(self, cut: float) -> float:
        step = cut / LEVELS
        rounded = np.minimum(np.rint(self.middles / step), LEVELS) * step
        return float((self.counts * (self.middles - rounded) ** 2).sum())


def measure(
    model: OnnxModel, maps: Sequence[str], frames: Sequence[Frame], advance: Callable[[], None]
) -> Mapping[str, Histogram]:
    """Histograms of ``maps``, names of float tensors of the canonical ``model``, over ``frames``.

    Raises:
        ModelError: ONNX Runtime can't run the model, or it computes no numbers.
    """
    work = lower(model.proto, "onnxruntime", view=model.view).model
    shown = {value.name for value in work.graph.output}
    extra = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in maps if name not in shown]
    probed = onnx.ModelProto()
    probed.CopyFrom(work)
    probed.graph.output.extend(extra)
    session = make_session(probed.SerializeToString(), CpuOptions(spinning=True))
    histograms = {name: Histogram() for name in maps}
    for frame in frames:
        for name, values in zip(maps, session.run(list(maps), {"frame": frame.image[np.newaxis]}), strict=True):
            histograms[name].add(values)
        advance()
    return histograms
