"""What a model costs by count: parameters, multiply-accumulates, bytes."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figure import Figure
from edge_segnet.graph import card as cards
from edge_segnet.graph.count import count
from edge_segnet.graph.model_files import find_model


def run(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """Static counts of the model file."""
    loaded = cards.load(model)
    cost = count(loaded.proto)
    size = f"{loaded.card.size[0]}x{loaded.card.size[1]}"
    return [
        Figure(f"{loaded.card.name}: work at {size}", cost.macs / 1e9, "GMAC", 4.0),
        Figure(f"{loaded.card.name}: parameters", cost.parameters / 1e6, "M"),
        Figure(f"{loaded.card.name}: file", find_model(model).stat().st_size / 1e6, "MB", 12.0),
    ]
