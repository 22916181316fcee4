"""Does the settings' model load, fit the rules, have a sound class map, and run on this CPU?"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator

import numpy as np

from edge_segnet.backends import BackendOptions, open_backend, read_model
from edge_segnet.core.errors import EdgeSegnetError, ModelError, SettingsError
from edge_segnet.core.types import Frame
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.palette import lint
from edge_segnet.doctor.report import MODEL, SETTINGS, Finding, green, grey, red, yellow
from edge_segnet.graph import bundle as bundles
from edge_segnet.graph.bundle import Bundle
from edge_segnet.scene import interpreter as refine
from edge_segnet.scene.interpreter import Network
from edge_segnet.settings.schema import Config


def check(context: Context) -> Iterator[Finding]:
    """In that order; what comes later needs what came before."""
    config = context.config
    if config is None:
        yield grey("model", "not checked: the settings can't be used")
        return
    try:
        bundle = _load(config)
    except EdgeSegnetError as error:
        yield red("model", MODEL, error.message, error.hint)
        return
    size = "{}x{}".format(*bundle.size)
    yield green("model", f"{bundle.name}: {len(bundle.classes)} classes ({bundle.classes.name}), {size}")
    try:
        refine.check(config, Network(bundle.classes, bundle.size, bundle.fit))
    except SettingsError as error:
        yield red("rules", SETTINGS, error.message, error.hint)
    yield from _palette(bundle)
    if config.backend == "tensorrt":
        yield grey("model runs", "not on the CPU, by the settings; for the GPU see the engine")
    else:
        yield _run(bundle, config)


def _load(config: Config) -> Bundle:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of colours: the lint says it better
        bundle = read_model(config.model)
    if config.size in (None, "auto"):
        return bundle
    width, height = str(config.size).split("x")
    return bundles.resized(bundle, (int(width), int(height)))


def _palette(bundle: Bundle) -> Iterator[Finding]:
    faults = list(lint(bundle.classes))
    for seen, remedy in faults:
        yield yellow("palette", f"{bundle.classes.name}: {seen}", remedy)
    if not faults:
        yield green("palette", f"{bundle.classes.name}: {len(bundle.classes)} colours, well apart")


def _run(bundle: Bundle, config: Config) -> Finding:
    """One picture of noise, twice: the first pays for memory."""
    width, height = bundle.size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    frame = Frame(image, None, 0, time.monotonic_ns(), time.time(), "doctor")
    try:
        backend = open_backend(bundle, "onnx", BackendOptions(threads=config.threads))
        backend.infer(frame)
        started = time.perf_counter()
        result = backend.infer(frame)
        took_ms = 1e3 * (time.perf_counter() - started)
        backend.close()
    except ModelError as error:
        return red("model runs", MODEL, error.message, error.hint)
    counted = np.bincount(result.labels.ravel(), minlength=len(bundle.classes) + 1)
    if result.labels.shape != (height, width) or not np.array_equal(counted, result.counts):
        return red("model runs", MODEL, "its labels are not a segmentation", "convert or build the model again")
    return green("model runs", f"on the CPU, one frame in {took_ms:.0f} ms", milliseconds=round(took_ms, 1))
