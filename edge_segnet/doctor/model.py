"""Does the settings' model load, fit the rules, have a sound class map, and run on this CPU?"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator

import numpy as np

from edge_segnet.backends.model import BackendOptions, Model, open_backend, read_guarded
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import EdgeSegnetError, ModelError, SettingsError
from edge_segnet.core.soundness import require_valid
from edge_segnet.core.types import Frame
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.palette import lint
from edge_segnet.doctor.report import MODEL, SETTINGS, Finding, green, grey, red, yellow
from edge_segnet.scene import interpreter as refine
from edge_segnet.scene.interpreter import Network
from edge_segnet.settings.schema import Config


def check(context: Context) -> Iterator[Finding]:
    """In that order; what comes later needs what came before."""
    config = context.served
    if config is None:
        yield grey("model", "not checked: the settings can't be used")
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of colours: the lint says it better
            model = read_guarded(config.model, config.network_size, kind="onnx")
    except EdgeSegnetError as error:
        yield red("model", MODEL, error.message, error.hint)
        return
    card = model.card
    size = "{}x{}".format(*card.size)
    yield green("model", f"{card.name}: {len(card.classes)} classes ({card.classes.name}), {size}")
    try:
        refine.check(config, Network(card.classes, card.size, card.fit))
    except SettingsError as error:
        yield red("rules", SETTINGS, error.message, error.hint)
    yield from _palette(card.classes)
    if config.backend == "tensorrt":
        yield grey("model runs", "not on the CPU, by the settings; for the GPU see the engine")
    else:
        yield _run(model, config)


def _palette(classes: ClassMap) -> Iterator[Finding]:
    faults = list(lint(classes))
    for seen, remedy in faults:
        yield yellow("palette", f"{classes.name}: {seen}", remedy)
    if not faults:
        yield green("palette", f"{classes.name}: {len(classes)} colours, well apart")


def _run(model: Model, config: Config) -> Finding:
    """One picture of noise, twice: the first pays for memory."""
    width, height = model.card.size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    frame = Frame(image, None, 0, time.monotonic_ns(), time.time(), "doctor")
    try:
        backend = open_backend(model, "onnx", BackendOptions(threads=config.threads))
        backend.infer([frame])
        started = time.perf_counter()
        result = require_valid(backend.infer([frame])[0], model.card.name)
        took_ms = 1e3 * (time.perf_counter() - started)
        backend.close()
    except ModelError as error:
        return red("model runs", MODEL, error.message, error.hint)
    counted = np.bincount(result.labels.ravel(), minlength=len(model.card.classes) + 1)
    if result.labels.shape != (height, width) or not np.array_equal(counted, result.counts):
        return red("model runs", MODEL, "its labels are not a segmentation", "convert or build the model again")
    return green("model runs", f"on the CPU, one frame in {took_ms:.0f} ms", milliseconds=round(took_ms, 1))
