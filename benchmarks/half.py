"""``python -m benchmarks.half --images DIR --labels DIR [--model NAME]``: what FP16 costs in labels and in mean IoU.

ONNX Runtime runs the FP16 graph that TensorRT gets, and the FP32 graph of the CPU backend, on the same labelled
pictures. It keeps some of the FP16 graph in FP32, so this is a lower bound of the error, not a proof for a GPU.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.figure import Figure
from edge_segnet.backends.onnx import CpuOptions, make_session
from edge_segnet.core.stats import confusion, scores
from edge_segnet.core.types import Image, Labels
from edge_segnet.data.pairs import find_pairs
from edge_segnet.graph import card as cards
from edge_segnet.graph.lower import lower
from edge_segnet.pictures.shape import fit_image, unfit_labels


def main() -> int:
    """Exit code 7 if a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.half", description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--model", default="segnet-lite")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = measure(arguments.model, arguments.images, arguments.labels)
    table = Table("figure", "measured", "bound", "")
    for figure in figures:
        bound = "" if figure.bound is None else f"{figure.sign} {figure.bound:g} {figure.unit}"
        table.add_row(figure.name, f"{figure.value:.4g} {figure.unit}", bound, "met" if figure.met else "missed")
    Console(width=110).print(table)
    if arguments.json is not None:
        document = [figure.to_document() for figure in figures]
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if all(figure.met for figure in figures) else 7


def measure(model: str, images: Path, labels: Path) -> list[Figure]:
    """Both graphs over all pairs."""
    onnx_model = cards.load(model)
    classes = len(onnx_model.card.classes)
    wide = make_session(
        lower(onnx_model.proto, "onnxruntime", head="labels").model.SerializeToString(), CpuOptions(spinning=True)
    )
    narrow = make_session(
        lower(onnx_model.proto, "tensorrt", precision="fp16").model.SerializeToString(), CpuOptions(spinning=True)
    )
    matrices = [np.zeros((classes, classes + 1), np.int64) for _ in range(2)]
    agreed: list[float] = []
    for pair in find_pairs(images, labels):
        image, truth = pair.read(classes, onnx_model.card.classes.void)
        frame: Image = fit_image(image, onnx_model.card.size, onnx_model.card.fit)
        found: list[Labels] = [
            wide.run(["labels"], {"frame": frame[None]})[0][0],
            narrow.run(["logits"], {"frame": frame[None]})[0][0].argmax(axis=0).astype(np.uint8),
        ]
        agreed.append(float((found[0] == found[1]).mean()))
        for matrix, predicted in zip(matrices, found, strict=True):
            size = (truth.shape[1], truth.shape[0])
            matrix += confusion(truth, unfit_labels(predicted, size, classes, onnx_model.card.fit), classes)
    fp32, fp16 = (100 * scores(matrix).mean_iou for matrix in matrices)
    return [
        Figure(
            f"{onnx_model.card.name}: labels alike, FP16 and FP32, {len(agreed)} frames",
            float(100 * np.mean(agreed)),
            "%",
            99.0,
            ">=",
        ),
        Figure("the worst frame of them", 100 * min(agreed), "%"),
        Figure("mean IoU, FP32", fp32, "%"),
        Figure("mean IoU, FP16", fp16, "%"),
        Figure("mean IoU, difference", abs(fp32 - fp16), "points", 0.3),
    ]


if __name__ == "__main__":
    sys.exit(main())
