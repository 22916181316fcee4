"""CVAT's format "Segmentation mask": colour masks, and a table of the colours' names.

    labelmap.txt                          name:red,green,blue::
    ImageSets/Segmentation/default.txt    names of pictures, without suffix
    SegmentationClass/NAME.png            masks, RGB
    JPEGImages/NAME.png                   pictures, where they were asked for

Zipped, it is what CVAT takes ("upload annotations") and gives ("export task dataset").
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import InputError, UsageError
from edge_segnet.core.files import read_file, written_beside
from edge_segnet.core.types import Labels
from edge_segnet.data.masks import Colour
from edge_segnet.pictures.files import encode

LABELMAP: Final = "labelmap.txt"
MASKS: Final = "SegmentationClass"
PICTURES: Final = "JPEGImages"
SETS: Final = "ImageSets/Segmentation/default.txt"
BACKGROUND: Final = "background"
"""What CVAT calls a pixel that nobody labelled: void."""
_LIMIT: Final = 1 << 20
MAX_UNPACKED: Final = 1 << 36
"""Bytes of an export, unpacked."""


def labelmap(classes: ClassMap) -> str:
    """The table of a class map; raises UsageError where two classes share a colour, which no mask could tell apart."""
    rows = [(BACKGROUND, classes.void_colour), *zip(classes.names, classes.colours, strict=True)]
    seen: dict[Colour, str] = {}
    for name, colour in rows:
        if colour in seen:
            what = f"class map {classes.name}: {seen[colour]} and {name} share the colour {list(colour)}"
            raise UsageError(what, hint="give one of them another colour")
        seen[colour] = name
    if wrong := [name for name, _ in rows if ":" in name]:
        raise UsageError(f"class map {classes.name}: CVAT's table can't hold the name {wrong[0]!r}", hint="leave : out")
    lines = [f"{name}:{','.join(map(str, colour))}::" for name, colour in rows]
    return "\n".join(["# label:color_rgb:parts:actions", *lines]) + "\n"


def read_labelmap(path: Path) -> ClassMap:
    """The class map of a table: its own order, without the background, which is void.

    Raises:
        InputError: it can't be read, or a line is none of its lines.
    """
    try:
        text = read_file(path, _LIMIT).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: {getattr(error, 'strerror', None) or error}", hint="export the task again"
        ) from error
    names, colours, void = [], [], (0, 0, 0)
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colour = _row(path, number, line)
        if name.lower() == BACKGROUND:
            void = colour
        else:
            names.append(name)
            colours.append(colour)
    return ClassMap("cvat", tuple(names), tuple(colours), void)


def _row(path: Path, number: int, line: str) -> tuple[str, Colour]:
    name, _, rest = line.partition(":")
    parts = rest.partition(":")[0].split(",")
    if not name.strip() or len(parts) != 3 or not all(part.strip().isdecimal() and int(part) < 256 for part in parts):
        raise InputError(f"{path}:{number}: {line!r} is no label", hint="lines are NAME:RED,GREEN,BLUE::")
    red, green, blue = (int(part) for part in parts)
    return name.strip(), (red, green, blue)


def write_mask(path: Path, labels: Labels, classes: ClassMap) -> None:
    """Class ids uint8 [H,W] as CVAT's RGB PNG; raises OutputError."""
    with written_beside(path) as beside:
        beside.write_bytes(encode(classes.lut_bgr[labels], ".png"))


def write_tables(root: Path, classes: ClassMap, names: list[str]) -> None:
    """What stands beside the masks; raises OutputError."""
    for path, text in ((root / LABELMAP, labelmap(classes)), (root / SETS, "".join(f"{name}\n" for name in names))):
        with written_beside(path) as beside:
            beside.write_text(text, encoding="utf-8")


def pack(root: Path, archive: Path) -> None:
    """A folder as a zip, whole or not at all; raises OutputError."""
    with written_beside(archive) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                out.write(path, path.relative_to(root).as_posix())


@contextmanager
def unpacked(export: Path) -> Iterator[Path]:
    """The folder of an export, which may be a zip.

    Raises:
        InputError: it is no zip, a name in it leads out of it, or it is too large.
    """
    if export.is_dir():
        yield export
        return
    with TemporaryDirectory(prefix="edge-segnet-cvat.") as place:
        try:
            with zipfile.ZipFile(export) as archive:
                entries = archive.infolist()
                if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
                    raise InputError(
                        f"{export}: more than {MAX_UNPACKED >> 30} GiB unpacked", hint="export less at once"
                    )
                for entry in entries:
                    if not (Path(place) / entry.filename).resolve().is_relative_to(Path(place).resolve()):
                        raise InputError(f"{export}: the name {entry.filename!r} leads out of it")
                archive.extractall(place)
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
            what = getattr(error, "strerror", None) or error
            raise InputError(f"{export}: not a zip that can be read ({what})", hint="export the task again") from error
        yield Path(place)
