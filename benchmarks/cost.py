"""What a model costs by count: parameters, multiply-accumulates, bytes."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figure import Figure
from edge_segnet.graph import bundle
from edge_segnet.graph.count import count


def run(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """Static counts of the model file."""
    loaded = bundle.load(model)
    cost = count(loaded.model)
    size = f"{loaded.size[0]}x{loaded.size[1]}"
    return [
        Figure(f"{loaded.name}: work at {size}", cost.macs / 1e9, "GMAC", 4.0),
        Figure(f"{loaded.name}: parameters", cost.parameters / 1e6, "M"),
        Figure(f"{loaded.name}: file", bundle.find_model(model).stat().st_size / 1e6, "MB", 12.0),
    ]
