"""Labelled pictures of many recordings and folders at once, each a drive of its own."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from edge_segnet.core.errors import InputError, UsageError
from edge_segnet.core.types import Labels
from edge_segnet.data.pairs import Pair, find_pairs
from edge_segnet.data.recorded import LOOKED_AT, RecordedPair, Truth, find_truth, of_pairs
from edge_segnet.pictures.listing import in_order
from edge_segnet.sources import is_recording, is_there, split_topic

AnyPair = Pair | RecordedPair


@dataclass(frozen=True)
class _Drive:
    """Pictures and their labels, each a path with maybe ``?topic=``; ``name``: of the drive, unlike any other's."""

    images: str
    labels: str
    name: str = ""


def find_truths(images: Sequence[Path], labels: Sequence[Path]) -> Truth:
    """What ``evaluate`` scores by: one input as ``find_truth`` takes it, or several: each may be a recording, a folder
    of pictures, a folder of recordings, or a glob of either (``'drives/*.mcap?topic=/front/image'``).

    ``labels``: as many as ``images``, or one for all. Of a folder or glob of recordings each takes what is called like
    it: ``labels/DRIVE/``, ``labels/DRIVE.mcap``, or what ``label`` calls ``DRIVE-...``.

    Raises:
        UsageError: neither as many labels as pictures, nor one.
        InputError: something is missing, or has no partner.
    """
    if len(labels) not in (1, len(images)):
        told = f"--images is there {len(images)} times, --labels {len(labels)} times"
        raise UsageError(told, hint="give as many, in the same order, or one --labels for all")
    named = list(labels) * len(images) if len(labels) == 1 else labels
    found = [drive for one, theirs in zip(images, named, strict=True) for drive in _drives(str(one), str(theirs))]
    if len(found) == 1:
        return find_truth(Path(found[0].images), Path(found[0].labels))
    return _joined([_truth(drive) for drive in _with_names(found)])


def _drives(images: str, labels: str) -> list[_Drive]:
    file, topic = split_topic(images)
    path = Path(file)
    several = path.is_dir() and any(path.glob("*.mcap"))
    if not several and (is_there(path) or not glob.has_magic(file)):
        theirs = _labels_of(path, labels) if _is_named_so(path) else None
        return [_Drive(images, theirs or labels)]
    # Not Path.glob, which takes no absolute patterns.
    matching = glob.glob(str(path / "*.mcap") if several else file, recursive=True)  # noqa: PTH207
    files = in_order(each for each in map(Path, matching) if each.is_dir() or _is_named_so(each))
    if not files:
        raise InputError(f"{images}: no recording or folder there", hint="check the path")
    return [_Drive(_with_topic(each, topic), _need_labels_of(each, labels)) for each in files]


def _need_labels_of(images: Path, labels: str) -> str:
    found = _labels_of(images, labels)
    if found is None:
        called = f"{images.stem}/, {images.stem}.mcap or as label calls them"
        hint = f"they are called {called} there, once; or give --images and --labels again and again"
        raise InputError(f"{images}: no labels of it in {labels}", hint=hint)
    return found


def _is_named_so(file: Path) -> bool:
    """What is called a recording and is none is told by who opens it: it is not passed over."""
    return is_recording(file) or file.suffix.lower() == ".mcap"


def _with_topic(file: Path, topic: str | None) -> str:
    return str(file) if topic is None else f"{file}?topic={topic}"


def _labels_of(images: Path, labels: str) -> str | None:
    """In the folder, or among what the glob finds: the folder or recording of the same name; None: there is none, or
    more than one.
    """
    file, topic = split_topic(labels)
    place = Path(file)
    there = place.iterdir() if place.is_dir() else map(Path, glob.glob(file, recursive=True))  # noqa: PTH207
    able = [each for each in there if each.is_dir() or is_recording(each)]
    exact = [each for each in able if each.stem == images.stem]
    found = exact or [each for each in able if each.stem.startswith(f"{images.stem}-")]
    return _with_topic(found[0], topic) if len(found) == 1 else None


def _with_names(found: Sequence[_Drive]) -> Iterator[_Drive]:
    """By the file's name, with its folder's where others are called the same, and a number at the last."""
    paths = [Path(split_topic(each.images)[0]).absolute() for each in found]
    same = Counter(path.stem for path in paths)
    names = [path.stem if same[path.stem] == 1 else f"{path.parent.name}-{path.stem}" for path in paths]
    again = Counter(names)
    for place, (drive, name) in enumerate(zip(found, names, strict=True)):
        yield replace(drive, name=name if again[name] == 1 else f"{name}-{place}th")


def _truth(drive: _Drive) -> Truth:
    if not _is_named_so(Path(split_topic(drive.images)[0])):
        pairs = find_pairs(Path(drive.images), Path(drive.labels))
        return of_pairs([replace(each, folder=drive.name) for each in pairs])
    truth = find_truth(Path(drive.images), Path(drive.labels))
    return replace(truth, pairs=lambda: _renamed(truth.pairs(), drive.name))


def _renamed(pairs: Iterable[AnyPair], name: str) -> Iterator[AnyPair]:
    for pair in pairs:
        assert isinstance(pair, RecordedPair)
        yield replace(pair, stem=f"{name}-{pair.stem.rpartition('-')[2]}")


def _joined(truths: Sequence[Truth]) -> Truth:
    """One after the other; of each as many samples."""
    counts = [each.count for each in truths]
    share = max(1, LOOKED_AT // len(truths))

    def samples() -> Iterable[Labels]:
        return chain.from_iterable(islice(each.samples(), share) for each in truths)

    known = [count for count in counts if count is not None]
    count = sum(known) if len(known) == len(counts) else None
    return Truth(lambda: chain.from_iterable(each.pairs() for each in truths), samples, count)
