"""The loop around its network, by driver, depth and graphs, and whether its labels are the CPU's.

TensorRT where it builds for this card, TensorRT-RTX where that does, else torch on the loop's own stream in FP16; the
figures say which.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median

import numpy as np

from benchmarks.figure import Figure, Missing
from benchmarks.gpu.kernel import compiled
from edge_segnet.backends.engines import open_engine
from edge_segnet.backends.gpu_slots import Spec
from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.backends.tensorrt import Depth, GpuOptions, TensorRTBackend
from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import Frame, Ticket
from edge_segnet.cuda.choice import open_driver
from edge_segnet.cuda.interface import DriverKind
from edge_segnet.engine.build import Request, build
from edge_segnet.engine.folders import engine_folders
from edge_segnet.graph import card as cards
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.street import Street

WARM = 50
MOST = 4
"""Frames at once."""
MODEL = "segnet-lite"
Open = Callable[[GpuOptions], TensorRTBackend]


@dataclass(frozen=True)
class Runner:
    """What runs the network here, and how to open it."""

    name: str
    open: Open
    exact: bool = True
    """Whether it takes the same kernels for one frame as for several, as an engine of one profile does."""


def find_runner(model: OnnxModel, batch: int = 1) -> Runner:
    """TensorRT, TensorRT-RTX or torch, for 1..``batch`` frames at once; raises Missing with the reasons of all."""
    reasons = []
    for make in (_tensorrt, _torch):
        try:
            return make(model, batch)
        except (ModelError, Missing) as error:
            reasons.append(str(error))
    raise Missing("; ".join(reasons))


def _tensorrt(model: OnnxModel, batch: int) -> Runner:
    cpu, engine = OnnxBackend(model), engine_folders()[0] / f"{MODEL}-{batch}.engine"
    engine.parent.mkdir(parents=True, exist_ok=True)

    def reference(image: np.ndarray) -> np.ndarray:
        return cpu.infer([Frame(image, None, 0, 0, 0.0, "golden")])[0].labels

    made = build(model, engine, Request(batch=batch), reference, lambda phase, done, total: None)  # noqa: ARG005
    recipe = made.manifest.recipe
    open_engine(engine, model).close()  # it may build for a card that it can't run on
    return Runner(f"{recipe.flavour} {recipe.version}", lambda options: open_engine(engine, model, options))


def _torch(model: OnnxModel, batch: int) -> Runner:
    try:
        import torch

        from tests.gpu.torch_network import TorchNetwork
    except ImportError as error:
        raise Missing(f"no torch in its place: {error}") from error
    if not torch.cuda.is_available():
        raise Missing("this torch has no CUDA")

    def opened(options: GpuOptions) -> TensorRTBackend:
        driver, card = open_driver(options.driver), model.card
        with driver.current():
            network = TorchNetwork(model)
        spec = Spec(card.name, card.classes, card.size, card.fit, "fp16", card.calibration, max_batch=batch)
        return TensorRTBackend(spec, network, driver, compiled(driver), options)

    return Runner(f"torch {torch.__version__}, not TensorRT", opened, exact=False)


def frames(size: tuple[int, int], count: int = 10) -> list[Frame]:
    """Of the street."""
    scene = Street(size)
    return [Frame(scene.render(7 * number)[0], None, number, 0, 0.0, "") for number in range(count)]


def run(kind: DriverKind, loops: int) -> list[Figure]:
    """All ways with one driver; raises ModelError or Missing where it is not here."""
    open_driver(kind).close()
    model = cards.load(MODEL)
    runner = find_runner(model)
    ways: tuple[tuple[Depth, bool], ...] = tuple(
        product((1, 2), (False, True) if kind == "cuda-bindings" else (False,))
    )
    found, times = [], {}
    for depth, graphs in ways:
        backend = runner.open(GpuOptions(driver=kind, depth=depth, graphs=graphs))
        what = f"{kind}, depth {depth}, {'graphs' if graphs else 'no graphs'}; {runner.name}"
        if graphs and backend.provenance["graphs"] != "yes":
            backend.close()
            raise Missing(f"graphs: {backend.provenance['graphs']}")
        took, alone = _measured(backend, frames(backend.input_size), loops, depth)
        backend.close()
        times[depth, graphs] = took
        found += [Figure(f"loop, ms a frame ({what})", took, "ms"), Figure(f"network alone ({what})", alone, "ms")]
        if depth == 1:
            bound = round(0.05 * alone + 0.2, 3)
            found.append(Figure(f"loop over the network alone ({what})", took - alone, "ms", bound))
    if (1, True) in times:
        ratio = times[1, True] / times[1, False]
        found.append(Figure(f"with graphs over without, depth 1 ({runner.name})", ratio, "x", 1.0))
    found.append(Figure(f"depth 2 over depth 1 ({kind})", times[2, False] / times[1, False], "x"))
    return found


def _measured(backend: TensorRTBackend, given: Sequence[Frame], loops: int, depth: Depth) -> tuple[float, float]:
    """(milliseconds from a frame's end to the next one's, those of the network alone), medians"""
    ends: list[float] = []
    flying: list[Ticket] = []
    warm = min(WARM, loops)
    for number in range(loops + warm):
        flying.append(backend.submit([given[number % len(given)]]))
        if len(flying) == depth:
            flying.pop(0).result()
            ends.append(1e3 * time.perf_counter())
    for ticket in flying:
        ticket.result()
    alone = [backend.bare_ms(given[number % len(given)]) for number in range(loops)]
    return float(median(np.diff(ends)[warm - 1 :])), median(alone)


def batches(loops: int) -> list[Figure]:
    """One frame to ``MOST`` at once: frames a second, how old a frame gets on its way, and whether its labels are those
    that it has alone.
    """
    model = cards.load(MODEL)
    runner = find_runner(model, MOST)
    backend = runner.open(GpuOptions())
    given = frames(backend.input_size, MOST)
    alone = [backend.infer([frame])[0].labels for frame in given]
    found, rates = [], []
    for count in range(1, MOST + 1):
        same = [np.mean(one.labels == label) for one, label in zip(backend.infer(given[:count]), alone, strict=False)]
        took_ms = median(_round_ms(backend, given[:count]) for _ in range(loops))
        rates.append(1e3 * count / took_ms)
        what = f"{count} at once ({runner.name})"
        found += [Figure(f"frames/s, {what}", rates[-1], "frames/s"), Figure(f"age, {what}", took_ms, "ms")]
        if count > 1:
            bound = 100.0 if runner.exact else 99.0
            found.append(Figure(f"labels as alone, {what}", 100 * float(min(same)), "%", bound, ">="))
    backend.close()
    return [*found, Figure(f"frames/s, {MOST} at once over one ({runner.name})", rates[-1] / rates[0], "x")]


def _round_ms(backend: TensorRTBackend, given: Sequence[Frame]) -> float:
    began = time.perf_counter()
    backend.infer(given)
    return 1e3 * (time.perf_counter() - began)


def agreement(loops: int) -> list[Figure]:  # noqa: ARG001 - all steps are called alike
    """Labels of the GPU in FP16 against ONNX Runtime's in FP32, on frames of the street."""
    model = cards.load(MODEL)
    runner = find_runner(model)
    backend, cpu = runner.open(GpuOptions()), OnnxBackend(model)
    shares = [
        float(np.mean(backend.infer([frame])[0].labels == cpu.infer([frame])[0].labels))
        for frame in frames(backend.input_size)
    ]
    backend.close()
    return [
        Figure(f"FP16 labels like the CPU's, worst frame of 10 ({runner.name})", 100 * min(shares), "%", 99.0, ">=")
    ]


def ten() -> None:
    """Ten frames through the loop: for compute-sanitizer."""
    runner = find_runner(cards.load(MODEL))
    backend = runner.open(GpuOptions())
    for frame in frames(backend.input_size):
        backend.infer([frame])
    backend.close()
