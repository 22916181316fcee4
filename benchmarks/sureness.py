"""What the decode (margins, sums) costs, against the labels alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figure import Figure
from edge_segnet.backends.onnx import CpuOptions, make_session
from edge_segnet.core.types import Image
from edge_segnet.graph import card as cards
from edge_segnet.graph.head import Decode, Head
from edge_segnet.graph.lower import lower
from edge_segnet.street import Street

ROUNDS = 100


def run(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """By processor time, in turns, of each the fastest tenth: a busy machine's caches count less."""
    loaded = cards.load(model)
    decode = Decode(loaded.card.temperature, len(loaded.card.classes))

    def session(head: Head) -> Any:
        graph = lower(loaded.proto, "onnxruntime", head=head, decode=decode).model.SerializeToString()
        return make_session(graph, CpuOptions(threads=1))

    sessions = {"labels": session("labels"), "decode": session("decode")}
    scene = Street(loaded.card.size)
    frames: list[Image] = [scene.render(30 * index)[0][np.newaxis] for index in range(6)]
    took: dict[str, list[float]] = {name: [] for name in sessions}
    for number in range(ROUNDS):
        for name, made in sessions.items():
            started = time.process_time()
            made.run(None, {"frame": frames[number % len(frames)]})
            took[name].append(1e3 * (time.process_time() - started))
    labels, whole = (float(np.quantile(took[name], 0.1)) for name in ("labels", "decode"))
    return [
        Figure("network and labels, one thread, processor time", labels, "ms"),
        Figure("margins and sums on top, of a frame", 100 * (whole - labels) / labels, "%", 3.0),
    ]
