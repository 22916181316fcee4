"""Picture and label files that belong together: what ``train``, ``evaluate`` and ``labels`` read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_segnet.errors import InputError
from edge_segnet.imaging import pictures_in, read_image, read_labels
from edge_segnet.types import Image, Labels


@dataclass(frozen=True)
class Pair:
    """A picture and its labels: files of the same name in two folders."""

    image: Path
    labels: Path

    def read(self, classes: int, void: int) -> tuple[Image, Labels]:
        """Picture uint8 [H,W,3] BGR and labels uint8 [H,W], with void as id ``classes``.

        Raises:
            InputError: a file is broken, the sizes differ, or a label value is neither a class nor ``void``.
        """
        image, labels = read_image(self.image), read_labels(self.labels)
        if image.shape[:2] != labels.shape:
            sizes = " and ".join(f"{shape[1]}x{shape[0]}" for shape in (image.shape, labels.shape))
            raise InputError(
                f"{self.image} and {self.labels} differ in size: {sizes}", hint="labels need their picture's size"
            )
        present = np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
        unknown = [int(value) for value in present if value >= classes and value != void]
        if unknown:
            raise InputError(
                f"{self.labels}: label value {_some(unknown)} is no class (0 to {classes - 1}) and not void ({void})",
                hint="check --classes and --void",
            )
        if void != classes:
            labels = np.where(labels == void, np.uint8(classes), labels)
        return image, labels


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
    return [Pair(left[stem], right[stem]) for stem in sorted(left)]


def _some(values: list[int]) -> str:
    return ", ".join(map(str, values[:3])) + (", ..." if len(values) > 3 else "")


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in pictures_in(folder):
        if path.stem in found:
            raise InputError(f"{path} and {found[path.stem].name} have the same name", hint="remove one of them")
        found[path.stem] = path
    return found
