"""Segmentation from Python: ``edge_segnet.load``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from edge_segnet.backends.model import BackendKind, OpenModel, open_model
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import UsageError
from edge_segnet.core.types import Frame, Image, Labels, Segmentation, Ticket
from edge_segnet.pictures.shape import fit_image, unfit_labels


def load(model: str, *, backend: BackendKind = "auto", size: tuple[int, int] | None = None) -> Segmenter:
    """Open a model.

    Args:
        model: a shipped name (``segnet-lite``), an ``.onnx`` or an ``.engine`` file.
        backend: ``auto`` takes TensorRT where there is a GPU and an engine, else the CPU, with a warning.
        size: (width, height) of the network input in pixels; None: the model's own.

    Raises:
        ModelError: there is no such model, it is damaged, or it can't run here at that size.
        UsageError: the size is too small.
        DeviceLost: the GPU has too little memory, or fails.
    """
    return Segmenter(open_model(model, size, backend))


class Segmenter:
    """A model that is ready: call it with a picture. Threads may share it; they wait for each other."""

    def __init__(self, model: OpenModel) -> None:
        """Takes ``model`` over; ``load`` makes one."""
        self._card, self._backend = model.card, model.backend
        self._seq = 0

    @property
    def name(self) -> str:
        """The model's."""
        return self._card.name

    @property
    def classes(self) -> ClassMap:
        """Names and colours of the ids; the id after the last, C, is void."""
        return self._card.classes

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the network input, of the labels and of the counts."""
        return self._backend.input_size

    @property
    def backend(self) -> str:
        """What runs it: ``onnx``, or ``tensorrt``."""
        return self._backend.name

    def __call__(self, image_bgr: Image) -> Segmentation:
        """Segment a picture.

        Args:
            image_bgr: uint8 [h,w,3], blue first as OpenCV reads it, of any size; it is not changed.

        Returns:
            Labels uint8 [H,W] and counts int64 [C+1] at network size; see ``labels_at`` for the picture's.

        Raises:
            UsageError: the array is no such picture.
            ModelError, DeviceLost: the runtime fails.
        """
        (found,) = self._backend.infer([self._frame(_checked(image_bgr))])
        return found

    def batch(self, images: Sequence[Image]) -> list[Segmentation]:
        """Segment several pictures, whatever their sizes, in their order; raises as a call does, before one runs.

        As many at once as the backend takes; on a GPU the next ones are uploaded meanwhile.
        """
        checked, most = [_checked(image) for image in images], self._backend.max_batch
        found: list[Segmentation] = []
        before: Ticket | None = None
        for at in range(0, len(checked), most):
            ticket = self._backend.submit([self._frame(image) for image in checked[at : at + most]])
            found += [] if before is None else before.result()
            before = ticket
        return found + ([] if before is None else before.result())

    def _frame(self, image: Image) -> Frame:
        self._seq += 1
        fitted = fit_image(image, self.size, self._card.fit)
        return Frame(fitted, None, self._seq, time.monotonic_ns(), time.time(), "python")

    def labels_at(self, segmentation: Segmentation, size: tuple[int, int]) -> Labels:
        """Labels uint8 [h,w] for a picture's ``size`` (width, height), nearest neighbour; void where a model with
        ``fit: crop`` saw nothing.
        """
        return unfit_labels(segmentation.labels, size, self.classes.void, self._card.fit)

    def close(self) -> None:
        """Free the runtime's memory; a call after it fails."""
        self._backend.close()

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def _checked(image: Image) -> Image:
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        what = f"{array.dtype} {list(array.shape)} is no picture"
        raise UsageError(what, hint="give uint8 [height, width, 3], blue first, as cv2.imread does")
    return np.ascontiguousarray(array)
