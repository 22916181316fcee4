"""What a result looks like, and the files that it becomes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.errors import OutputError
from edge_segnet.pictures.files import IMAGE_SUFFIXES, write_image


class Writer(Protocol):
    """Takes finished pictures, in order. ``at_s``: when a picture is shown, in seconds; None: one after the other."""

    def write(self, seq: int, picture: NDArray[np.uint8], at_s: float | None = None) -> None: ...


def picture_targets(files: Sequence[Path], out: Path, visual: str, names_file: bool) -> list[Path]:
    """Where each picture's result goes: ``out`` itself if it names a file, else the same name in the folder ``out``.
    Masks and labels are always PNG, because JPEG would invent classes at their edges.

    Raises:
        OutputError: the name has no picture's suffix, or JPEG's where that would damage the ids.
    """
    lossless = visual != "overlay"
    if names_file and lossless and out.suffix.lower() != ".png":
        raise OutputError(f"{out}: {visual} pictures are loss-free", hint="use a name that ends in .png")
    if names_file and out.suffix.lower() not in IMAGE_SUFFIXES:
        raise OutputError(f"{out}: not a picture's suffix", hint="use a name that ends in .png or .jpg, or a folder")
    return [out] if names_file else [out / (file.stem + _suffix(file, lossless)) for file in files]


def _suffix(file: Path, lossless: bool) -> str:
    """The picture's own where that can be written; PNG for the others, whose content was read, not their name."""
    return ".png" if lossless or file.suffix.lower() not in IMAGE_SUFFIXES else file.suffix


@contextmanager
def image_files(paths: Sequence[Path]) -> Iterator[Writer]:
    """Writes frame ``seq`` to ``paths[seq]``."""
    yield _ImageFiles(paths)


class _ImageFiles:
    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def write(self, seq: int, picture: NDArray[np.uint8], at_s: float | None = None) -> None:  # noqa: ARG002
        write_image(self._paths[seq], picture)


@contextmanager
def numbered_files(folder: Path) -> Iterator[Writer]:
    """Writes frame ``seq`` to ``folder/000seq.png``: the loss-free form of a video's labels."""
    yield _NumberedFiles(folder)


class _NumberedFiles:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, seq: int, picture: NDArray[np.uint8], at_s: float | None = None) -> None:  # noqa: ARG002
        write_image(self._folder / f"{seq:06d}.png", picture)
