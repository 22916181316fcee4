"""A recording's pictures with their labels: label images in a folder, or another recording's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import BadFrame, EndOfStream, InputError, SourceLost
from edge_segnet.core.types import Frame, Image, Labels
from edge_segnet.data.masks import read_ids
from edge_segnet.data.pairs import Pair, find_pairs, with_void
from edge_segnet.pictures.listing import pictures_in
from edge_segnet.sources import FiniteSource, Input, describe, is_recording, open_source, require_mcap, split_topic

_SIZE = (16, 16)
"""(width, height) of the small picture that nobody looks at."""


LOOKED_AT: Final = 50
"""Label images by which numberings are compared."""


@dataclass(frozen=True, eq=False)
class Truth:
    """Labelled pictures. ``pairs`` begins anew with every call; ``samples``: a few of the labels, uint8 [H,W].
    ``count``: of pictures, an estimate of a recording's.
    """

    pairs: Callable[[], Iterable[Pair | RecordedPair]]
    samples: Callable[[], Iterable[Labels]]
    count: int | None


def of_pairs(pairs: Sequence[Pair]) -> Truth:
    """Files; the samples are taken evenly from all."""
    step = max(1, len(pairs) // LOOKED_AT)
    return Truth(lambda: pairs, lambda: (read_ids(pair.labels) for pair in pairs[::step]), len(pairs))


def find_truth(images: Path, labels: Path) -> Truth:
    """What ``evaluate`` scores by: folders of files with the same names, or a recording (``recorded_pairs``).

    Raises:
        InputError: a folder or file is missing or empty, or a picture or label has no partner.
    """
    if not is_recording(Path(split_topic(str(images))[0])):
        return of_pairs(find_pairs(images, labels))
    found = describe(str(images))
    with closing(open_source(found, _SIZE)) as source:
        count = source.length
    return Truth(
        lambda: recorded_pairs(found, labels),
        lambda: (pair.labels for pair in islice(recorded_pairs(found, labels), LOOKED_AT)),
        count,
    )


@dataclass(frozen=True, eq=False)
class RecordedPair:
    """A picture uint8 [H,W,3] BGR and its labels uint8 [h,w], maybe of another size. ``name`` stands for the labels in
    errors. ``stem``: the recording's name and the picture's number.
    """

    image: Image
    labels: Labels
    name: str
    stem: str

    @property
    def title(self) -> str:
        """As people know it."""
        return self.stem

    def read(self, classes: int, void: int) -> tuple[Image, Labels]:
        """As ``pairs.Pair.read``, but the sizes may differ."""
        return self.image, with_void(self.labels, classes, void, self.name)


def recorded_pairs(images: Input, labels: Path) -> Iterator[RecordedPair]:
    """Pairs in the recording's order, pictures without labels left out.

    ``labels``: a folder of label images called by the pictures' numbers (``000012.png``, as ``segment`` and ``label``
    write them), or a recording or a folder of its parts: labels are matched by time then, to half the pictures' period.

    Raises:
        InputError: something can't be read, or not one picture has labels.
    """
    count = 0
    with closing(open_source(images, _SIZE)) as source:
        numbered = labels.is_dir() and not _parts(labels)
        labelled = _Numbered(labels) if numbered else _Timed(labels, 0.5 / source.fps)
        while (frame := _next(source)) is not None:
            found = labelled.of(frame)
            if found is not None:
                count += 1
                assert frame.original is not None
                name, stem = f"{labels}: the labels of picture {frame.seq}", Path(split_topic(images.uri)[0]).stem
                yield RecordedPair(frame.original, found, name, f"{stem}-{frame.seq:06d}")
    if not count:
        hint = "labels are called by the pictures' numbers, 000012.png, or have the pictures' times"
        raise InputError(f"{labels}: no labels of any picture of {images.uri}", hint=hint)


def _next(source: FiniteSource) -> Frame | None:
    """None: that was the last one."""
    try:
        return source.read()
    except EndOfStream:
        return None
    except BadFrame as error:
        raise InputError(error.message, hint=error.hint) from error
    except SourceLost as error:
        hint = "a part of a drive is not scored: leave it out, or take what 'mcap recover' makes of it"
        raise InputError(error.message, hint=hint) from error


def _parts(folder: Path) -> list[Path]:
    """What ``label --format mcap`` made of a recording, in order."""
    return sorted(folder.glob("*.mcap"))


class _Numbered:
    """Label images in a folder."""

    def __init__(self, folder: Path) -> None:
        self._files = {int(path.stem): path for path in pictures_in(folder) if path.stem.isdecimal()}

    def of(self, frame: Frame) -> Labels | None:
        """A picture's labels, by its number."""
        path = self._files.get(frame.seq)
        return None if path is None else read_ids(path)


class _Timed:
    """Labels of a recording."""

    def __init__(self, uri: Path, apart_s: float) -> None:
        """``apart_s``: how far apart a picture and its labels may be."""
        require_mcap()
        from edge_segnet.sources.recordings import label_images

        file, topic = split_topic(str(uri))
        parts = _parts(Path(file)) or [Path(file)]
        self._coming = chain.from_iterable(label_images(each, topic) for each in parts)
        self._apart_s = apart_s
        self._waiting: tuple[int, Labels] | None = next(self._coming, None)

    def of(self, frame: Frame) -> Labels | None:
        """A picture's labels, by its time."""
        while self._waiting is not None and self._waiting[0] / 1e9 < frame.captured_at - self._apart_s:
            self._waiting = next(self._coming, None)
        if self._waiting is None or self._waiting[0] / 1e9 > frame.captured_at + self._apart_s:
            return None
        found, self._waiting = self._waiting[1], next(self._coming, None)
        return found
