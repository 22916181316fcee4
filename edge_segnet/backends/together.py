"""Frames of several cameras at once on a CPU: only where that is quicker than one after the other, which is measured.

A processor that one frame keeps busy gains nothing by a second one; the outcome is kept as the race's is (``race``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from edge_segnet.backends.onnx import CpuOptions, OnnxBackend
from edge_segnet.backends.openvino import OpenVinoBackend
from edge_segnet.backends.race import CpuBackend, Outcome, key_of, recall, remember
from edge_segnet.backends.reading import CpuModel
from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import CpuPrecision, Done, Frame, Segmentation
from edge_segnet.engine.golden import golden_frame

logger = logging.getLogger(__name__)
WORTH: Final = 1.1
"""How much quicker a batch must be for its memory, and for the wait until it is full."""
LAPS, LONG_S = 3, 4.0
"""Turns of the two; one where a turn takes longer than ``LONG_S``."""
STEADY: Final = 1.5
"""The longest turn over the shortest: above that something else had the processor, and the next start asks again."""
MAX_DOUBTS: Final = 3
"""Starts that were too busy to tell; a robot that is always busy keeps what the last of them found."""


class Together:
    """A CPU backend that takes ``max_batch`` frames at once, and fewer one by one."""

    def __init__(self, alone: CpuBackend, together: CpuBackend, said: str) -> None:
        self._alone, self._together = alone, together
        self.name, self.model_name, self.input_size = alone.name, alone.model_name, alone.input_size
        self.classes, self.max_batch = alone.classes, together.max_batch
        self.chosen_because = alone.chosen_because
        self.batch_because = said

    def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """As the two do; raises ModelError."""
        return (self._together if len(frames) == self.max_batch else self._alone).infer(frames)

    def submit(self, frames: Sequence[Frame]) -> Done:
        """As ``infer``: the processor that would take the next frame has this one."""
        return Done(self.infer(frames))

    def close(self) -> None:
        """Free both."""
        self._alone.close()
        self._together.close()


def open_together(
    model: CpuModel, alone: CpuBackend, options: CpuOptions, precision: CpuPrecision, most: int
) -> CpuBackend | Together:
    """``alone``, or with it one for ``most`` frames at once if that is quicker here; says why."""
    key = key_of(model, options, precision, f"{alone.name}, {most} at once")
    kept = recall(key, ("alone", "together"))
    doubts = 0 if kept is None else kept.doubts
    if 0 < doubts < MAX_DOUBTS:
        kept = None
    if kept is not None and kept.runtime == "alone":
        return _said(alone, kept.reason)
    if kept is None:
        # Should the trial bring the program down, the next start does not make it again.
        remember(key, Outcome("alone", f"one frame at a time: {most} at once brought the program down"))
    try:
        together = _opened(model, alone, options, precision, most)
        outcome = kept or _tried(model, alone, together)
    except ModelError as error:
        outcome = Outcome("alone", f"one frame at a time: {most} at once fail ({error.message})")
        together = None
    if outcome is not kept:
        remember(key, replace(outcome, doubts=doubts + 1) if outcome.doubts else outcome)
    if together is not None and outcome.runtime == "together":
        return Together(alone, together, _told(outcome.reason))
    if together is not None:
        together.close()
    return _said(alone, outcome.reason)


def _said(alone: CpuBackend, reason: str) -> CpuBackend:
    alone.batch_because = _told(reason)
    return alone


def _told(reason: str) -> str:
    logger.info("%s", reason)
    return reason


def _opened(model: CpuModel, alone: CpuBackend, options: CpuOptions, precision: CpuPrecision, most: int) -> CpuBackend:
    if isinstance(alone, OnnxBackend):
        return OnnxBackend(model, options, most)
    return OpenVinoBackend(model, options.threads, precision, most)


def _tried(model: CpuModel, alone: CpuBackend, together: CpuBackend) -> Outcome:
    """In turns."""
    most = together.max_batch
    image = golden_frame(model.card.size, model.card.fit)
    frames = [Frame(image, None, at, time.monotonic_ns(), time.time(), "trial") for at in range(most)]
    times: dict[Any, list[float]] = {alone: [], together: []}
    laps = 1 + LAPS
    while laps:
        for backend, taken in times.items():
            started = time.perf_counter()
            backend.infer(frames)
            taken.append(time.perf_counter() - started)
        laps = min(laps - 1, 1) if max(times[alone][-1], times[together][-1]) > LONG_S else laps - 1
    one_s, all_s = (min(taken) for taken in times.values())  # the least disturbed: a busy start must not decide
    facts = f"{most} frames at once take {1e3 * all_s:.1f} ms, one by one {1e3 * one_s:.1f} ms"
    doubts = int(any(max(taken[1:]) > STEADY * min(taken[1:]) for taken in times.values()))
    if doubts:
        facts += ", on a busy processor"
    if one_s >= WORTH * all_s:
        return Outcome("together", f"frames of {most} cameras go together: {facts}", doubts)
    return Outcome("alone", f"one frame at a time: {facts}", doubts)
