"""An engine file -> a ``TensorRTBackend`` that has passed its self-test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_segnet.backends.gpu_slots import Network, Spec
from edge_segnet.backends.tensorrt import GpuOptions, TensorRTBackend
from edge_segnet.core.errors import DeviceLost
from edge_segnet.cuda.choice import open_driver
from edge_segnet.cuda.interface import Driver
from edge_segnet.engine.library import find_library
from edge_segnet.engine.load import Verified, check_machine, check_source, verify
from edge_segnet.engine.manifest import EngineFile
from edge_segnet.engine.network import FEWER, Binding, EngineNetwork
from edge_segnet.graph.model_files import LoweredModel, ModelCard, OnnxModel


def open_engine(
    engine: Path, model: OnnxModel | LoweredModel | EngineFile, options: GpuOptions | None = None
) -> TensorRTBackend:
    """A verified, loaded and self-tested engine.

    Raises:
        ModelError: a file, version or GPU does not fit, or the self-test fails.
        DeviceLost: the GPU has too little memory, or fails.
    """
    verified = verify(engine)
    check_source(verified, model)
    library = find_library(verified.manifest.recipe.flavour)
    options = options or GpuOptions()
    driver = open_driver(options.driver)
    try:
        kernel = check_machine(verified, library, driver.info)
        with driver.current():
            contexts = options.depth * verified.manifest.recipe.batch
            network = EngineNetwork(verified, library, driver, Binding(contexts, options.graphs and driver.graphs))
    except BaseException:
        driver.close()
        raise
    backend = make_backend(_spec(verified, model.card), network, driver, kernel, options)
    try:
        backend.self_test(verified.golden)
        with driver.current():
            network.save_cache()
    except BaseException:
        backend.close()
        raise
    backend.provenance |= _provenance(verified)
    return backend


def make_backend(spec: Spec, network: Network, driver: Driver, cubin: bytes, options: GpuOptions) -> TensorRTBackend:
    """As the class; a batch that the GPU's memory does not hold says so."""
    try:
        return TensorRTBackend(spec, network, driver, cubin, options)
    except DeviceLost as error:
        if spec.max_batch == 1 or "memory" not in error.message:
            raise
        what = f"{spec.name}: {spec.max_batch} frames at once are too much for the GPU ({error.message})"
        raise DeviceLost(what, hint=FEWER, sticky=error.sticky) from error


def _spec(verified: Verified, card: ModelCard) -> Spec:
    recipe = verified.manifest.recipe
    facts = (recipe.size, recipe.fit, recipe.precision)
    return Spec(card.name, card.classes, *facts, card.calibration, card.void_output, recipe.batch)


def _provenance(verified: Verified) -> dict[str, Any]:
    recipe = verified.manifest.recipe
    return {
        "engine": str(verified.engine),
        "engine_sha256": verified.manifest.files.engine,
        "source_sha256": recipe.source_sha256,
        "runtime": f"{recipe.flavour} {recipe.version}",
        "cuda": recipe.cuda,
        "built_at": verified.manifest.built_at,
    }
