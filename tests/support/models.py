"""A tiny SegNet with random weights and CamVid-11's classes, made on the spot: fast, and right in every formality."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import CAMVID_11, ClassMap
from edge_segnet.core.types import Fit
from edge_segnet.graph import card as cards
from edge_segnet.graph.build import build_model
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.graph.segnet import INPUT, Architecture, Conv, Layer, Pool, Unpool

SIZE = (64, 48)
"""(width, height)"""


def tiny_architecture(classes: int) -> Architecture:
    """One encoder and one decoder, joined by pooling indices."""
    layers: list[Layer] = [
        Conv("conv1", INPUT, 3, 8),
        Pool("pool1", "conv1"),
        Conv("conv2", "pool1", 8, 8),
        Unpool("upsample1", "conv2", "pool1"),
        Conv("conv1_D", "upsample1", 8, classes, activation="none"),
    ]
    return Architecture("tiny", classes, mean=(110.0, 115.0, 120.0), scale=1 / 60, layers=layers)


def tiny_weights(architecture: Architecture, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Random, and such that different colours get different classes."""
    rng = np.random.default_rng(seed)
    weights: dict[str, NDArray[np.float32]] = {}
    for conv in architecture.convolutions:
        shape = (conv.out_channels, conv.in_channels // conv.groups, conv.kernel, conv.kernel)
        weights[f"{conv.name}.weight"] = rng.normal(0, 0.3, shape).astype(np.float32)
        weights[f"{conv.name}.bias"] = rng.normal(0, 0.1, conv.out_channels).astype(np.float32)
    return weights


def tiny_model(
    classes: ClassMap = CAMVID_11, size: tuple[int, int] = SIZE, fit: Fit = "stretch", licence: str = ""
) -> OnnxModel:
    """A canonical model with its metadata."""
    architecture = tiny_architecture(len(classes))
    model = build_model(architecture, tiny_weights(architecture), size)
    return cards.attach(model, name="tiny", classes=classes, fit=fit, licence=licence)


def save_tiny(
    path: Path,
    classes: ClassMap = CAMVID_11,
    fit: Fit = "stretch",
    licence: str = "",
    size: tuple[int, int] = SIZE,
) -> Path:
    """Write it to a file and give that file's path back."""
    cards.save(tiny_model(classes, size, fit, licence), path)
    return path
