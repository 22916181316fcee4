"""What the BN layers of a Caffe network read, over pictures: the statistics that a trained SegNet still lacks.

As SegNet-Tutorial's ``compute_bn_statistics.py`` does it: batches of pictures, each normalised by its own statistics as
in training; mean and (unbiased) variance are averaged over the batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_segnet.backends.onnx import CpuOptions, make_session
from edge_segnet.pictures.files import read_image
from edge_segnet.pictures.shape import fit_image

BATCH: Final = 4
"""Pictures at once, as the tutorial's networks have; fewer where there are fewer."""
Statistics = dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def measure(graph: onnx.ModelProto, pictures: Sequence[Path], advance: Callable[[], None] = lambda: None) -> Statistics:
    """Mean and variance [C] of what each BN layer reads; a last batch that is not full is left out.

    Args:
        graph: of ``statistics_graph``: ``frame`` uint8 [N,H,W,3] -> ``LAYER.mean``, ``LAYER.variance``.
        pictures: at least N files.

    Raises:
        InputError: a picture can't be read.
        ModelError: ONNX Runtime can't run the network.
    """
    batch, height, width = (side.dim_value for side in graph.graph.input[0].type.tensor_type.shape.dim[:3])
    names = [value.name for value in graph.graph.output]
    session = make_session(graph.SerializeToString(), CpuOptions())
    sums: list[NDArray[np.float64]] = []
    rounds = len(pictures) // batch
    for start in range(0, rounds * batch, batch):
        group = [fit_image(read_image(path), (width, height)) for path in pictures[start : start + batch]]
        found = session.run(names, {"frame": np.stack(group)})
        sums = [np.asarray(each, np.float64) + (sums[place] if sums else 0.0) for place, each in enumerate(found)]
        advance()
    means = dict(zip(names, (each / rounds for each in sums), strict=True))
    layers = [name.removesuffix(".mean") for name in names if name.endswith(".mean")]
    return {layer: (means[f"{layer}.mean"], means[f"{layer}.variance"]) for layer in layers}
