"""A trained network as a model file."""

from __future__ import annotations

from typing import Any

from edge_segnet.core.classes import ClassMap
from edge_segnet.graph.build import build_model
from edge_segnet.graph.card import attach
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.train.model import SegNet
from edge_segnet.train.weights import fold


def export(
    network: SegNet, classes: ClassMap, size: tuple[int, int], *, licence: str, provenance: dict[str, Any]
) -> OnnxModel:
    """BatchNorm folded, graph built from the weights, metadata attached; labels agree with torch's (tested).

    Raises:
        ModelError: the class map has another length than the network's logits.
    """
    architecture = network.architecture
    model = build_model(architecture, fold(network), size)
    provenance = {"architecture": architecture.name, **provenance}
    return attach(model, name=architecture.name, classes=classes, licence=licence, provenance=provenance)
