"""What a pair of files holds, as a few numbers: read once, kept small, many at a time."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import InputError
from edge_segnet.core.types import Labels
from edge_segnet.data.labels.mirror import gains
from edge_segnet.data.masks import Colour, Kind, colours_to_ids, count_colours, read_mask
from edge_segnet.data.pairs import Pair
from edge_segnet.pictures.counting import histogram
from edge_segnet.pictures.files import read_image
from edge_segnet.pictures.shape import thumbnail

BANDS: Final = 8
"""Horizontal stripes of equal height; where in the picture a class lives."""
VALUES: Final = 64
"""Values of one label image whose borders are kept: no street has more classes, and a photograph has them all."""
COLOURS: Final = 300
"""Colours of one mask that are kept; a class map has at most 255."""
THUMB: Final = (32, 24)
"""(width, height) of what is kept of a picture, to find its like."""


@dataclass
class Facts:
    """One label image and, if there is one, its picture; small, because data sets have many.

    ``present`` and ``packed``: the values that occur [K] and their pixels per stripe, int32 [8,K]; of a colour mask the
    ids that its colours mean, 255 where they mean nothing.
    """

    split: str
    labels: Path
    image: Path | None
    error: str = ""
    kind: Kind = "ids"
    stored: str = ""
    size: tuple[int, int] = (0, 0)
    image_size: tuple[int, int] | None = None
    present: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    packed: NDArray[np.int32] = field(default_factory=lambda: np.zeros((BANDS, 0), np.int32))
    colours: dict[Colour, int] = field(default_factory=dict)
    """Pixels of the most frequent colours; JPEG makes thousands of others."""
    kinds_of_colour: int = 0
    palette: NDArray[np.uint8] | None = None
    edges: int = 0
    """Neighbouring pixels in a row that differ."""
    borders: NDArray[np.int32] = field(default_factory=lambda: np.zeros((2, 0, 0), np.int32))
    """How often a value lies right above another, and right before another in a row, int32 [2,K,K] like ``present``;
    empty where there are too many values for classes."""
    between: int = 0
    """Pixels whose value lies strictly between those left and right of it: what interpolating ids makes."""
    mirror_gains: NDArray[np.float32] | None = None
    """How much better the labels fit the picture mirrored: see ``mirror``."""
    thumb: NDArray[np.uint8] | None = None
    digest: int = 0
    """Of the picture's pixels."""

    @property
    def bands(self) -> NDArray[np.int64]:
        """Pixels of each value per stripe, int64 [8,256]."""
        bands = np.zeros((BANDS, 256), np.int64)
        bands[:, self.present] = self.packed
        return bands

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pixels of each value, int64 [256]."""
        counts = np.zeros(256, np.int64)
        counts[self.present] = self.packed.sum(axis=0, dtype=np.int64)
        return counts

    @property
    def values(self) -> list[int]:
        """Values that occur."""
        return [int(value) for value in self.present]


Work = tuple[str, Path, Path | None]
"""Name of the part, label image, picture."""


def work_list(name: str, pairs: Iterable[Pair], images: bool = True) -> list[Work]:
    """The pairs of a part; without ``images`` their pictures are not read."""
    return [(name, pair.labels, pair.image if images else None) for pair in pairs]


def examine(work: Work, classes: ClassMap | None) -> Facts:
    """Read one pair; what can't be read is noted, not raised."""
    split, labels, image = work
    facts = Facts(split, labels, image)
    try:
        ids = _examine_labels(facts, classes)
        if image is not None:
            _examine_image(facts, image, ids)
    except InputError as error:
        facts.error = str(error)
    return facts


def _examine_labels(facts: Facts, classes: ClassMap | None) -> Labels | None:
    """The ids, if there are any."""
    mask = read_mask(facts.labels)
    facts.kind, facts.stored, facts.size, facts.palette = mask.kind, mask.stored, mask.size, mask.palette
    ids = mask.pixels
    if mask.kind == "colours":
        colours = Counter(count_colours(mask.pixels))
        facts.colours, facts.kinds_of_colour = dict(colours.most_common(COLOURS)), len(colours)
        if classes is None:
            return None
        ids, unknown = colours_to_ids(mask.pixels, [*classes.colours, classes.void_colour])
        ids = np.where(unknown, np.uint8(255), ids)
    bands = band_counts(ids)
    facts.present = np.flatnonzero(bands.any(axis=0))
    facts.packed = bands[:, facts.present].astype(np.int32)
    facts.borders = _borders(ids, facts.present)
    left, middle, right = ids[:, :-2], ids[:, 1:-1], ids[:, 2:]
    facts.edges = int(np.count_nonzero(left != middle))
    up, down = (left < middle) & (middle < right), (left > middle) & (middle > right)
    facts.between = int(np.count_nonzero(up)) + int(np.count_nonzero(down))
    return ids


def _borders(ids: NDArray[np.uint8], present: NDArray[np.intp]) -> NDArray[np.int32]:
    """``Facts.borders``. Only places where the value changes are looked at: they are few."""
    count = len(present)
    if count > VALUES:
        return np.zeros((2, 0, 0), np.int32)
    place = np.zeros(256, np.intp)
    place[present] = np.arange(count)
    found = []
    for one, other in ((ids[:-1], ids[1:]), (ids[:, :-1], ids[:, 1:])):
        differ = one != other
        pairs = place[one[differ]] * count + place[other[differ]]
        found.append(np.bincount(pairs, minlength=count * count).reshape(count, count))
    return np.stack(found).astype(np.int32)


def band_counts(ids: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pixels of each value in each of eight horizontal stripes, int64 [8,256]."""
    borders = np.linspace(0, ids.shape[0], BANDS + 1).round().astype(int)
    stripes = [ids[top:bottom] for top, bottom in pairwise(borders)]
    return np.stack([histogram(stripe) if stripe.size else np.zeros(256, np.int64) for stripe in stripes])


def _examine_image(facts: Facts, path: Path, ids: Labels | None) -> None:
    image = read_image(path)
    facts.image_size = image.shape[1], image.shape[0]
    facts.digest = hash(image.tobytes())
    facts.thumb = thumbnail(image, THUMB)
    if ids is not None and facts.image_size == facts.size:
        facts.mirror_gains = gains(image, ids)


def survey(work: Sequence[Work], classes: ClassMap | None, advance: Callable[[], None] = lambda: None) -> list[Facts]:
    """Examine every pair, in order. Threads do: decoding and counting leave Python's lock."""
    return list(_survey(work, classes, advance))


def _survey(work: Sequence[Work], classes: ClassMap | None, advance: Callable[[], None]) -> Iterator[Facts]:
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), "examine") as pool:
        for facts in pool.map(lambda job: examine(job, classes), work):
            advance()
            yield facts
