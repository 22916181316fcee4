"""What the CPU's runtimes have in common: one frame, or one batch of just so many, after the other."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_segnet.backends.decoded import apart, from_head, segmentation, stacked
from edge_segnet.backends.reading import CpuModel
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import Done, Frame, Segmentation


class SerialBackend(ABC):
    """A ``Backend`` whose graph has the decode in it; a runtime fills in how the graph is run."""

    name: str

    def __init__(self, model: CpuModel, batch: int) -> None:
        """``batch``: of its graph, which takes just so many frames at once."""
        self.max_batch = batch
        self.model_name = model.card.name
        self.chosen_because = ""
        """Why ``auto`` took this one; empty where nobody chose."""
        self.batch_because = ""
        """Why frames of several cameras go together, or don't; empty where nobody asked."""
        self.input_size = model.card.size
        self.classes: ClassMap = model.card.classes
        self._calibration = model.card.calibration
        self._lock = threading.Lock()
        """One run at a time: a second would share the cores with the first, and both would be late."""

    @abstractmethod
    def _run(self, pictures: Any) -> list[Any]:
        """uint8 [N,H,W,3] BGR -> the outputs ``model_files.DECODED``; they may be the runtime's own memory."""

    @abstractmethod
    def _kept(self, found: list[Any]) -> list[Any]:
        """``found`` as arrays that the next run does not write again."""

    @abstractmethod
    def _said(self, error: Exception) -> str:
        """The runtime and what it says."""

    @abstractmethod
    def close(self) -> None:
        """Free what the runtime holds."""

    def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """Labels [H,W] and counts [C+1] of each ``frame.image``, uint8 [H,W,3] BGR at ``input_size``.

        Raises:
            ModelError: the runtime fails, for want of memory say.
        """
        at_once = [frames[at : at + self.max_batch] for at in range(0, len(frames), self.max_batch)]
        return [found for some in at_once for found in self._infer(some)]

    def submit(self, frames: Sequence[Frame]) -> Done:
        """As ``infer``: the processor that would take the next frame has this one."""
        return Done(self.infer(frames))

    def _infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
        started = time.perf_counter()
        with self._lock:
            try:
                found = self._run(stacked(frames))
            except Exception as error:  # the runtime's border: whatever it throws is its refusal
                width, height = self.input_size
                what = f"{self.model_name} fails at {width}x{height} {self._said(error)}"
                raise ModelError(what, hint="is there memory enough? a smaller --size takes less") from error
            arrays = self._kept(found)
        inferred = time.perf_counter()
        decoded = [from_head(each, len(self.classes)) for each in apart(arrays)]
        stages = {"network": 1e3 * (inferred - started), "decode": 1e3 * (time.perf_counter() - inferred)}
        return [segmentation(each, self.classes, self._calibration, stages, len(decoded)) for each in decoded]

    def bare_ms(self, frame: Frame) -> float:
        """Milliseconds of the runtime alone."""
        pictures = frame.image[np.newaxis]
        with self._lock:
            started = time.perf_counter()
            self._run(pictures)
            return 1e3 * (time.perf_counter() - started)
