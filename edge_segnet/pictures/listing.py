"""Which files of a folder are pictures: by what is in them, in the order in which people count."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import cv2

from edge_segnet.core.errors import InputError
from edge_segnet.core.files import open_file
from edge_segnet.pictures.chatter import quiet_decoders
from edge_segnet.pictures.files import IMAGE_SUFFIXES

_HEAD: Final = 4096
_COMPANIONS: Final = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})
"""What Windows leaves in folders of pictures."""


def natural_key(path: Path) -> list[tuple[bool, int, str]]:
    """For sorting: ``frame2`` before ``frame10``."""
    parts = re.split(r"(\d+)", str(path), flags=re.ASCII)
    return [(False, int(part), "") if part.isdecimal() else (True, 0, part) for part in parts if part]


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Paths as people count; the same name with other zeros keeps a fixed order too."""
    return sorted(paths, key=lambda path: (natural_key(path), str(path)))


def is_picture(path: Path) -> bool:
    """Whether a file calls itself a picture, or OpenCV knows its first bytes for one, whatever its name says."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        with quiet_decoders():
            known = path.is_file() and path.stat().st_size > 0 and cv2.haveImageReader(os.fspath(path))
            return bool(known) and not _is_film(path)
    except (OSError, cv2.error):
        return False


def _is_film(path: Path) -> bool:
    """A GIF of several pictures: a video plays it."""
    with path.open("rb") as file:
        return file.read(4) == b"GIF8" and cv2.imcount(os.fspath(path)) > 1


def sort_out(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """(pictures, what is left out), in order.

    Hidden files (a copying Mac's ``._x.png``), folders and texts (notes, label lists) are no pictures and nobody misses
    them. What is left out are other files that somebody may take for pictures: a format that can't be read, a video.
    """
    pictures, others = [], []
    for path in in_order(paths):
        if path.name.startswith(".") or path.is_dir():
            continue
        if is_picture(path):
            pictures.append(path)
        elif path.name.lower() not in _COMPANIONS and not _is_text(path):
            others.append(path)
    return pictures, others


def _is_text(path: Path) -> bool:
    try:
        with open_file(path) as file:
            return b"\0" not in file.read(_HEAD)
    except OSError:
        return False


def files_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """``sort_out`` of a folder's own files.

    Raises:
        InputError: the folder can't be read, or has no pictures.
    """
    try:
        entries = list(folder.iterdir())
        pictures, others = sort_out(entries)
        folders = [path for path in entries if path.is_dir()]
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}", hint="check the folder and its rights") from error
    if not pictures:
        hint = f"it has folders; name one of them, or use '{folder}/*/*'" if folders else "it must hold .png or .jpg"
        if others:
            hint = f"{others[0].name} is none that can be read: PNG, JPEG, WebP, BMP, TIFF and PPM are"
        raise InputError(f"{folder}: no pictures in this folder", hint=hint)
    return pictures, others


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder; raises InputError as ``files_in``."""
    return files_in(folder)[0]


def left_out(paths: Iterable[Path]) -> Iterator[str]:
    """A line for each file that was left out."""
    for path in paths:
        yield f"{path}: not a picture that can be read"
