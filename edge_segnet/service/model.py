"""From settings to a model that runs: found, checked, sized, tested on one picture."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np

from edge_segnet.backends import ahead
from edge_segnet.backends.model import BackendOptions, Model, open_backend, read_apart, read_model, resized
from edge_segnet.backends.reading import Reading, targets
from edge_segnet.core.errors import ModelError
from edge_segnet.core.size import MAX_BATCH, SQUEEZED, in_proportion, squeeze
from edge_segnet.core.soundness import require_valid
from edge_segnet.core.types import Backend, Frame, View
from edge_segnet.engine.folders import engine_folders
from edge_segnet.graph.model_files import ENGINE_SUFFIX, LoweredModel, ModelCard, OnnxModel, find_model
from edge_segnet.scene import interpreter as refine
from edge_segnet.scene.interpreter import Network
from edge_segnet.service.turns import BATCH_WAIT_S, Turns
from edge_segnet.settings.schema import Config
from edge_segnet.sources import picture_size

logger = logging.getLogger(__name__)
HEADROOM: Final = 0.85
"""Of a frame's time, what the network may take when ``size: auto`` chooses."""
SCALES: Final = (1.0, 0.8, 2 / 3, 0.5, 0.4, 1 / 3, 0.25)
"""Of the sides, in steps of about 1.25: each is two thirds of the work of the one before."""
TRIALS: Final = 3
"""Frames, of which the middle one counts: the first pays for memory that the later ones reuse."""
Fingerprint = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model at work; ``note`` says what ``size: auto`` and ``backend: auto`` chose, and why, and how many frames go
    together."""

    card: ModelCard
    backend: Backend
    frame_s: float
    """What the self-test's picture took."""
    fingerprint: Fingerprint
    size_note: str = ""
    sha256: str = ""
    """Of the model's file; of an engine's, the file that it was built from."""
    batch_wait_s: float = BATCH_WAIT_S

    @cached_property
    def turns(self) -> Turns:
        """How the cameras share the backend. Asked for by one thread alone, the one that makes cameras."""
        return Turns(self.backend, self.batch_wait_s)

    @property
    def note(self) -> str:
        because, most = getattr(self.backend, "chosen_because", ""), self.backend.max_batch
        together = getattr(self.backend, "batch_because", "")
        if most > 1 and not together:
            together = f"frames of up to {most} cameras go together"
        return "; ".join(filter(None, [self.size_note, because and f"backend auto: {because}", together]))


@dataclass(frozen=True)
class Setup:
    """Settings, and the model that they ask for."""

    config: Config
    loaded: Loaded
    on_trial: bool = False
    """Whether a model that makes no numbers gives its place back to the one before it, in each camera's loop."""

    @cached_property
    def view(self) -> View:
        """What their results are to be read with."""
        card, config = self.loaded.card, self.config
        metric = frozenset(name for name, camera in config.cameras.items() if camera.mount is not None)
        return View(card.classes, card.fit, config.regions, config.rules, metric)


def network_of(loaded: Loaded) -> Network:
    """What regions and rules need to know of it."""
    return Network(loaded.card.classes, loaded.card.size, loaded.card.fit)


def fingerprint(config: Config) -> Fingerprint:
    """(file, inode, size, time of change) of the model and of its engine, if it has one: where they differ, there is
    another model, even under the same name.

    Raises:
        ModelError: there is no such model.
    """
    files = [find_model(config.model)]
    if config.backend != "onnx":
        files += [folder / f"{files[0].stem}{ENGINE_SUFFIX}" for folder in engine_folders()]
    return tuple(_facts(path) for path in files if path.is_file())


def _facts(path: Path) -> tuple[str, int, int, int]:
    facts = path.stat()
    return str(path), facts.st_ino, facts.st_size, facts.st_mtime_ns


def begin(config: Config) -> Reading | None:
    """Have the settings' model read while something else is done; None: it is not there, or needs no reading."""
    if config.model.endswith(ENGINE_SUFFIX) or not is_there(config):
        ahead.drop()
        return None
    return Reading(config.model, config.network_size, targets(config.backend), cameras_together(config))


def load(config: Config, begun: Reading | None = None) -> Loaded:
    """Open the model that the settings name, ``begun`` to be read if so, and let it segment one picture.

    Raises:
        ModelError: missing, damaged, or it can't run here at that size.
    """
    mark = fingerprint(config)
    together = cameras_together(config)
    model = read_apart(config.model, config.network_size, config.colours, config.backend, begun, together)
    gpu = (config.memory, config.fallback, config.driver, depth(config))
    options = BackendOptions(config.threads, False, config.precision, *gpu, batch=together)

    kind = config.backend

    def opened(made: Model) -> tuple[Backend, float]:
        nonlocal kind
        backend = open_backend(made, kind, options)
        if not backend.name.startswith("tensorrt"):
            # Of several sizes, too, only the first says why there is no TensorRT, and has the CPU's runtimes race.
            kind = "openvino" if backend.name.startswith("openvino") else "onnx"
        with closing_on_error(backend):
            return backend, self_test(backend)

    if config.size == "auto":
        rates = [camera.rate for camera in config.cameras.values() if camera.rate]
        found = _largest_in_time(model, sum(rates), opened, mark, _proportions(config, model.card))
    else:
        found = Loaded(model.card, *opened(model), mark)
    return replace(found, sha256=_identity(model), batch_wait_s=config.batch_wait_ms / 1e3)


def _identity(model: Model) -> str:
    if isinstance(model, (OnnxModel, LoweredModel)):
        return model.sha256
    return model.manifest.recipe.source_sha256


def cameras_together(config: Config) -> int:
    """How many frames a CPU is tried with at once. With ``size: auto`` one: which size is in time is another trial."""
    return 1 if config.size == "auto" else min(len(config.cameras), MAX_BATCH)


def depth(config: Config) -> Literal[1, 2]:
    """Of one camera a second frame on the GPU would only be older when its turn comes; of several, it would wait."""
    if config.depth == "auto":
        return 2 if len(config.cameras) > 1 else 1
    return config.depth


@contextmanager
def closing_on_error(backend: Backend) -> Iterator[None]:
    """What was opened is closed again, whatever is raised: a GPU's memory comes back by nothing else."""
    try:
        yield
    except BaseException:
        backend.close()
        raise


def check(config: Config) -> None:
    """Whether the model can be had as the settings ask for it, and has what their regions and rules need. Runs it only
    where the CPU is asked for: a GPU may be another machine's, or at work.

    Raises:
        ModelError: missing, damaged, or it can't have that size.
        SettingsError, InputError: regions or rules are not possible with it, the palette is wrong.
    """
    if config.backend == "onnx":
        loaded = load(config)
        loaded.backend.close()
        card = loaded.card
    else:
        card = read_model(config.model, config.network_size, config.colours).card
    refine.check(config, Network(card.classes, card.size, card.fit))


def is_there(config: Config) -> bool:
    """Whether there is such a model at all."""
    try:
        find_model(config.model)
    except ModelError:
        return False
    return True


def self_test(backend: Backend) -> float:
    """Segment one picture of noise: every pixel must come back as a class. Seconds that it took.

    Raises:
        ModelError: labels or counts are not what a segmentation has, or what they are made of is no numbers.
    """
    width, height = backend.input_size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    frame = Frame(image, None, 0, time.monotonic_ns(), time.time(), "self-test")
    started = time.perf_counter()
    result = require_valid(backend.infer([frame])[0], backend.name)
    took_s = time.perf_counter() - started
    counted = np.bincount(result.labels.ravel(), minlength=len(backend.classes) + 1)
    if result.labels.shape != (height, width) or not np.array_equal(counted, result.counts):
        raise ModelError(
            f"{backend.name}: the self-test failed ({result.labels.shape} labels, {int(result.counts.sum())} counted)",
            hint="convert or build the model again",
        )
    return took_s


def _largest_in_time(
    model: Model,
    rate: float,
    opened: Callable[[Model], tuple[Backend, float]],
    mark: Fingerprint,
    largest: tuple[int, int],
) -> Loaded:
    """The model at the largest size that meets ``rate`` frames per second here; the smallest if none does."""
    budget_ms = HEADROOM * 1e3 / rate
    sizes = dict.fromkeys(_scaled(largest, scale) for scale in SCALES)
    for size in sizes:
        sized = resized(model, size)
        backend, _ = opened(sized)
        with closing_on_error(backend):
            took_ms = _measured_ms(backend)
        if took_ms <= budget_ms or size == list(sizes)[-1]:
            break
        backend.close()
    verdict = "meets" if took_ms <= budget_ms else "misses"
    note = f"size auto: {size[0]}x{size[1]} takes {took_ms:.0f} ms, which {verdict} {rate:g} frames/s"
    logger.info("%s", note)
    return Loaded(sized.card, backend, took_ms / 1e3, mark, note)


def _proportions(config: Config, card: ModelCard) -> tuple[int, int]:
    """The model's own size, or one of as many pixels with the cameras' proportions where those are known, agree, and
    would be squeezed.
    """
    if card.fit != "stretch":
        return card.size
    shapes = [size for camera in config.cameras.values() if (size := picture_size(camera)) is not None]
    if not shapes or any(squeeze(each, shapes[0]) > 1.05 for each in shapes):
        return card.size
    return in_proportion(card.size, shapes[0]) if squeeze(shapes[0], card.size) >= SQUEEZED else card.size


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Multiples of 16, which every pooling stage can halve."""
    width, height = (max(32, round(side * scale / 16) * 16) for side in size)
    return (width, height) if scale < 1.0 else size


def _measured_ms(backend: Backend) -> float:
    width, height = backend.input_size
    frame = Frame(np.zeros((height, width, 3), np.uint8), None, 0, 0, 0.0, "measure")
    times = []
    for _ in range(TRIALS):
        started = time.perf_counter()
        backend.infer([frame])
        times.append(1e3 * (time.perf_counter() - started))
    return float(np.median(times))
