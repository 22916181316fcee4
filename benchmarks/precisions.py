"""What precisions gain on this CPU: every runtime in a process of its own, in turns, the network with its decode."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.engine import vgg16
from benchmarks.figure import Figure, Missing
from edge_segnet.backends import openvino
from edge_segnet.backends.onnx import CpuOptions, make_session
from edge_segnet.core.types import Frame
from edge_segnet.graph import card as cards
from edge_segnet.graph.head import Decode
from edge_segnet.graph.lower import lower
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.graph.quantise import layers, quantise
from edge_segnet.offline.int8.ranges import measure
from edge_segnet.street import Street

TURNS = 2
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
"""What OpenVINO then knows of the processor (oneDNN's own switch); ONNX Runtime has none, and uses all of it: so the
comparison is harder on OpenVINO, and on ``auto``, than a processor with AVX2 alone."""
CALIBRATED = 8


@dataclass(frozen=True)
class Entrant:
    """Flags of ``edge-segnet bench``, and what its process's environment has besides."""

    flags: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def run(model: str, folder: Path) -> list[Figure]:
    """The shipped network: today's graph against the first release's, then the runtimes against ONNX Runtime."""
    _needs_openvino()
    int8 = str(_save_int8(cards.load(model), folder / "int8.onnx"))
    quick = openvino.quick_precisions()
    plain = ("--model", model, "--backend", "openvino", "--precision")
    entrants = {
        "onnx": Entrant(("--model", model, "--backend", "onnx")),
        "f32": Entrant((*plain, "fp32")),
        "avx2": Entrant((*plain, "fp32"), AVX2),
        "auto": Entrant(("--model", model, "--backend", "auto"), AVX2 | {"XDG_CACHE_HOME": str(folder / "cache")}),
        "onnx-int8": Entrant(("--model", int8, "--backend", "onnx")),
        "int8": Entrant(("--model", int8, "--backend", "openvino")),
        **({"quick": Entrant((*plain, quick[0]))} if quick else {}),
    }
    times, backends = _in_turns(entrants, 1.5)
    # Where it serves with ONNX Runtime, that one's time is its time, whatever a busy moment makes of the second.
    served_ms = times["onnx" if backends["auto"] == "onnx" else "auto"]
    name = cards.load(model).card.name
    figures = [
        _first_release(model),
        Figure(f"{name}: ONNX Runtime, FP32", times["onnx"], "ms"),
        Figure(f"{name}: OpenVINO f32 against ONNX Runtime", times["onnx"] / times["f32"], "x", 1.2, ">="),
        Figure(
            f"{name}: what auto takes, AVX2 only ({backends['auto']}), against ONNX Runtime",
            times["onnx"] / served_ms,
            "x",
            1.0,
            ">=",
        ),
        Figure(f"{name}: OpenVINO f32, AVX2 only, against ONNX Runtime", times["onnx"] / times["avx2"], "x"),
        Figure(f"{name}: INT8 in OpenVINO against FP32 in ONNX Runtime", times["onnx"] / times["int8"], "x", 2.0, ">="),
        Figure(f"{name}: INT8 in ONNX Runtime against its FP32", times["onnx"] / times["onnx-int8"], "x"),
    ]
    if quick:
        gain = times["onnx"] / times["quick"]
        figures.append(Figure(f"{name}: OpenVINO {quick[0]} against ONNX Runtime", gain, "x", 1.8, ">="))
    return figures


def vgg(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """VGG16 SegNet with random weights: INT8 against FP32 in each runtime's own."""
    _needs_openvino()
    whole = vgg16()
    cards.save(whole, folder / "vgg.onnx")
    int8 = str(_save_int8(whole, folder / "vgg-int8.onnx"))
    plain = str(folder / "vgg.onnx")
    entrants = {
        "onnx": Entrant(("--model", plain, "--backend", "onnx")),
        "f32": Entrant(("--model", plain, "--backend", "openvino", "--precision", "fp32")),
        "int8": Entrant(("--model", int8, "--backend", "openvino")),
    }
    times, _ = _in_turns(entrants, 2.0, turns=1)
    return [
        Figure("segnet (VGG16): ONNX Runtime, FP32", times["onnx"], "ms"),
        Figure("segnet (VGG16): INT8 against FP32, both in OpenVINO", times["f32"] / times["int8"], "x", 2.5, ">="),
        Figure("segnet (VGG16): INT8 in OpenVINO against FP32 in ONNX Runtime", times["onnx"] / times["int8"], "x"),
    ]


def _needs_openvino() -> None:
    if not openvino.installed():
        raise Missing("OpenVINO is not installed (extra: openvino)")


def _save_int8(model: OnnxModel, path: Path) -> Path:
    """With ranges of the rendered street: speed does not depend on them."""
    scene = Street(model.card.size)
    frames = [Frame(scene.render(30 * index)[0], None, index, 0, 0.0, "") for index in range(CALIBRATED)]
    found = layers(model.shapes)
    histograms = measure(model, sorted({layer.source for layer in found}), frames, lambda: None)
    cuts = {name: histogram.cut("mse") for name, histogram in histograms.items()}
    proto = quantise(model.shapes, cuts, [layer.name for layer in found])
    cards.save(cards.requantised(model, proto, {"ranges": "mse"}), path)
    return path


def _in_turns(
    entrants: Mapping[str, Entrant], seconds: float, turns: int = TURNS
) -> tuple[dict[str, float], dict[str, str]]:
    """Median of the bare network's times, ms; and what each of them was served by."""
    samples: dict[str, list[float]] = {name: [] for name in entrants}
    backends = {}
    for _ in range(turns):
        for name, entrant in entrants.items():
            report = _report(entrant, seconds)
            samples[name] += report["bare"]["samples_ms"]
            backends[name] = report["provenance"]["backend"]
    return {name: median(times) for name, times in samples.items()}, backends


def _report(entrant: Entrant, seconds: float) -> dict[str, Any]:
    flags = [*entrant.flags, "--seconds", str(seconds), "--warmup", "0.5", "--json", "-"]
    command = [sys.executable, "-m", "edge_segnet", "bench", *flags]
    done = subprocess.run(
        command, env=os.environ | entrant.environment, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _first_release(model: str) -> Figure:
    """ONNX Runtime's own time, in turns: the graph with labels alone, as 0.1 had it, and today's with its margins."""
    loaded = cards.load(model)
    decode = Decode(loaded.card.temperature, len(loaded.card.classes))
    graphs = [
        lower(loaded.proto, "onnxruntime", head="labels"),
        lower(loaded.proto, "onnxruntime", head="decode", decode=decode),
    ]
    sessions = [make_session(graph.model.SerializeToString(), CpuOptions()) for graph in graphs]
    image = Street(loaded.card.size).render(0)[0][np.newaxis]
    times: list[list[float]] = [[], []]
    for _ in range(40):
        for session, kept in zip(sessions, times, strict=True):
            started = time.perf_counter()
            session.run(None, {"frame": image})
            kept.append(time.perf_counter() - started)
    before, now = (median(kept[5:]) for kept in times)
    what = f"{loaded.card.name}: ONNX Runtime FP32, frames/s against the first release's graph"
    return Figure(what, before / now, "x", 1.1, ">=")
