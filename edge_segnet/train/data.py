"""Samples for training: pairs of a folder, rendered streets, or both."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from edge_segnet.core.errors import OutputError
from edge_segnet.core.types import Image, Labels
from edge_segnet.data.pairs import Pair
from edge_segnet.pictures.shape import fit_image
from edge_segnet.street import Street
from edge_segnet.train.augment import Recipe, View, paste, spoil, warp
from edge_segnet.train.store import Store

logger = logging.getLogger(__name__)

STREETS = 8
"""Rendered streets to draw from; each costs its textures once per loader process."""
STREET_LENGTH = 100_000
"""Frames: at 30 per second, nearly an hour of driving."""


class Pairs:
    """Labelled pictures of two folders."""

    def __init__(self, pairs: Sequence[Pair], classes: int, void: int) -> None:
        self._pairs, self._classes, self._void = pairs, classes, void
        self._store: Store | None = None

    def __len__(self) -> int:
        return len(self._pairs)

    @property
    def pairs(self) -> Sequence[Pair]:
        """The files."""
        return self._pairs

    def decode(self) -> None:
        """Decode all files once, for every reader from here on, loader processes included. Where there is no room for
        that (a warning says so), each is decoded whenever it is read.

        Raises:
            InputError: as ``Pair.read``.
        """
        try:
            self._store = Store(pair.read(self._classes, self._void) for pair in self._pairs)
        except OutputError as error:
            logger.warning("warning: %s; they are decoded again and again", error)

    def read(self, index: int) -> tuple[Image, Labels]:
        """Picture and labels (void is id C) of pair ``index``; raises InputError as ``Pair.read``."""
        if self._store is not None:
            return self._store.read(index)
        return self._pairs[index].read(self._classes, self._void)


@dataclass(frozen=True)
class Drawing:
    """How samples are drawn: ``synthetic`` is the share of rendered ones, ``rare`` are the classes that are pasted."""

    view: View
    void: int
    seed: int
    synthetic: float
    recipe: Recipe
    rare: list[int]


class Stream(Dataset[tuple[Tensor, Tensor]]):
    """An endless, random-access stream: sample ``i`` depends on the seed and ``i`` alone, so a resumed run goes on
    exactly where the killed one stopped. Real pairs come in shuffled epochs.
    """

    def __init__(self, pairs: Pairs, drawing: Drawing) -> None:
        self._pairs, self._drawing = pairs, drawing
        self._streets: dict[int, Street] = {}

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Picture float32 [3,H,W] BGR 0..255 and labels int64 [H,W], void being id C."""
        drawing = self._drawing
        rng = np.random.default_rng([drawing.seed, index])
        image, labels = self._view_of(index, rng)
        if drawing.rare and rng.random() < drawing.recipe.paste:
            paste(image, labels, self._view_of(int(rng.integers(2**31)), rng), drawing.rare, rng)
        image = spoil(image, rng, drawing.recipe)
        return to_tensor(image), torch.from_numpy(labels.astype(np.int64))

    def _view_of(self, index: int, rng: np.random.Generator) -> tuple[Image, Labels]:
        drawing = self._drawing
        return warp(*self._draw(index, rng), drawing.view, drawing.void, rng, drawing.recipe)

    def _draw(self, index: int, rng: np.random.Generator) -> tuple[Image, Labels]:
        if rng.random() < self._drawing.synthetic:
            return self._render(int(rng.integers(STREETS)), int(rng.integers(STREET_LENGTH)))
        epoch, place = divmod(index, len(self._pairs))
        order = np.random.default_rng([self._drawing.seed, epoch, len(self._pairs)]).permutation(len(self._pairs))
        return self._pairs.read(int(order[place]))

    def _render(self, seed: int, index: int) -> tuple[Image, Labels]:
        if seed not in self._streets:
            self._streets[seed] = Street(self._drawing.view.network, seed)
        return self._streets[seed].render(index)


def sample_batches(pairs: Pairs, size: tuple[int, int], batch: int, count: int) -> Iterator[Tensor]:
    """``count`` batches of unchanged pictures, float32 [batch,3,H,W] BGR 0..255, spread evenly over the pairs."""
    indices = np.linspace(0, len(pairs) - 1, batch * count).astype(int)
    for group in np.split(indices, count):
        yield torch.stack([to_tensor(fit_image(pairs.read(int(index))[0], size)) for index in group])


def to_tensor(image: Image) -> Tensor:
    """uint8 [H,W,3] -> float32 [3,H,W], values unchanged."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()


def limit_threads(_worker: int) -> None:
    """A loader process must not use the cores that the network trains on."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def count_classes(pairs: Pairs, classes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels of each class [C], and the pixels of all pictures in which the class occurs [C] (void left out)."""
    pixels, frames = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    for index in range(len(pairs)):
        counts = np.bincount(pairs.read(index)[1].ravel(), minlength=classes + 1)[:classes]
        pixels += counts
        frames += np.where(counts > 0, counts.sum(), 0)
    return pixels, frames


def rare_classes(pixels: NDArray[np.int64]) -> list[int]:
    """Those that occur, but on fewer pixels than half of the classes; ``pixels`` [C] of ``count_classes``."""
    return [int(each) for each in np.flatnonzero((pixels > 0) & (pixels < np.median(pixels)))]
