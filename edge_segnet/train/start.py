"""What a training begins with: the device, and the weights of a model that there is."""

from __future__ import annotations

import logging
from typing import Any, Final

import torch
from onnx import numpy_helper

from edge_segnet.backends.model import read_onnx
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import ModelError, UsageError
from edge_segnet.train.data import Pairs, sample_batches
from edge_segnet.train.loop import Plan
from edge_segnet.train.model import SegNet
from edge_segnet.train.weights import unfold

logger = logging.getLogger(__name__)
CALIBRATION_BATCHES: Final = 8
"""For the statistics of a start network's normalisation, which its file has folded away: some fifty pictures."""


def device_of(name: str) -> torch.device:
    """``auto``, ``cpu`` or ``cuda``; raises UsageError: torch sees no GPU."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no GPU", hint="use --device cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def start_from(network: SegNet, init: str, classes: ClassMap, train: Pairs, plan: Plan) -> float:
    """Fill the network; gives where on the schedule of learning rates its training was broken off, else 0."""
    model = read_onnx(init)
    if model.card.classes.names != classes.names:
        names = ", ".join(model.card.classes.names)
        raise ModelError(f"--init {init}: its classes are {names}", hint="check --classes")
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.proto.graph.initializer}
    batches = sample_batches(train, plan.size, plan.batch, CALIBRATION_BATCHES)
    with torch.no_grad():
        unfold(network, arrays, batches)
    position = _position(model.card.provenance.get("position"))
    rest = f", at {100 * position:.0f} % of the schedule, where its training stopped" if position else ""
    logger.info("starting from %s%s", init, rest)
    return position


def _position(recorded: Any) -> float:
    """A finished schedule begins anew."""
    return float(recorded) if isinstance(recorded, int | float) and 0.0 < recorded < 1.0 else 0.0
