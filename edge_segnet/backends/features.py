"""A model on the CPU that also says what a picture looks like to it; for who chooses pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_segnet.backends.decoded import from_head, segmentation
from edge_segnet.backends.onnx import CpuOptions, make_session
from edge_segnet.backends.reading import CpuModel, graph_for
from edge_segnet.core.types import Frame, Segmentation
from edge_segnet.graph.features import FEATURES, append_features
from edge_segnet.graph.model_files import DECODED


class FeatureNetwork:
    """ONNX Runtime with one more output; one thread at a time."""

    def __init__(self, model: CpuModel) -> None:
        """Raises ModelError: the model can't run there."""
        proto = onnx.load_from_string(graph_for(model, "onnxruntime"))
        self.features = append_features(proto)
        """How many numbers stand for a picture."""
        self.card = model.card
        self._session: Any = make_session(proto.SerializeToString(), CpuOptions(spinning=True))

    def see(self, frame: Frame) -> tuple[Segmentation, NDArray[np.float32]]:
        """The segmentation of ``frame.image`` and its features float32 [K]."""
        *decoded, features = self._session.run([*DECODED, FEATURES], {"frame": frame.image[np.newaxis]})
        found = from_head(decoded, len(self.card.classes))
        return segmentation(found, self.card.classes, self.card.calibration, {}), features.reshape(-1)
