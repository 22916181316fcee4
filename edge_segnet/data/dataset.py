"""``edge-segnet dataset init``: folders, class map and, if wanted, rendered pictures to try everything with."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import OutputError
from edge_segnet.core.files import output_error
from edge_segnet.data.cvat import LABELMAP
from edge_segnet.pictures.files import write_image
from edge_segnet.street import Street

SPLITS: Final = ("train", "val")
VAL_SHARE: Final = 4
"""One validation picture for so many training pictures."""
_APART: Final = 45
"""Frames between two rendered pictures: a second and a half of driving, so that they differ."""
CLASSES_FILE: Final = "classes.yaml"


def find_classes(folder: Path) -> Path | None:
    """The class map file of the data set that a folder of labels is in, ours or CVAT's: there, or up to two folders
    above it.
    """
    here = folder.absolute()
    places = [place / name for place in (here, *here.parents[:2]) for name in (CLASSES_FILE, LABELMAP)]
    return next((path for path in places if path.is_file()), None)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Gives a folder to fill, which becomes ``folder`` when the block ends well, and is removed otherwise.

    Raises:
        OutputError: the folder exists and is not empty, or can't be written.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder}: there is something already", hint="name a new folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name[:32]}.", dir=folder.parent))
    except OSError as error:
        raise output_error(folder, error) from error
    try:
        yield beside
        beside.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        beside.rename(folder)
    except OSError as error:
        raise output_error(folder, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def init(
    folder: Path,
    classes: ClassMap,
    *,
    rendered: int = 0,
    size: tuple[int, int] = (480, 360),
    advance: Callable[[], None] = lambda: None,
) -> int:
    """Make ``folder`` with ``train`` and ``val`` (each ``images`` and ``labels``) and ``classes.yaml``.

    It appears whole or not at all. Training and validation pictures come from different streets.

    Args:
        rendered: so many training pictures are rendered, and a quarter as many for validation.

    Returns:
        How many pictures were rendered.

    Raises:
        OutputError: the folder exists and is not empty, or can't be written.
    """
    with new_folder(folder) as beside:
        return _fill(beside, classes, rendered, size, advance)


def lay_out(root: Path, classes: ClassMap) -> None:
    """The folders and the class map; raises OSError."""
    for split in SPLITS:
        for kind in ("images", "labels"):
            (root / split / kind).mkdir(parents=True)
    (root / CLASSES_FILE).write_text(classes_yaml(classes), encoding="utf-8")


def _fill(root: Path, classes: ClassMap, rendered: int, size: tuple[int, int], advance: Callable[[], None]) -> int:
    lay_out(root, classes)
    counts = {"train": rendered, "val": max(1, rendered // VAL_SHARE) if rendered else 0}
    for seed, split in enumerate(SPLITS, start=1):
        street = Street(size, seed) if counts[split] else None
        for index in range(counts[split]):
            assert street is not None
            image, labels = street.render(_APART * index)
            write_image(root / split / "images" / f"{split}{index:04d}.png", image)
            write_image(root / split / "labels" / f"{split}{index:04d}.png", labels)
            advance()
    return sum(counts.values())


def classes_yaml(classes: ClassMap) -> str:
    """A class map as the YAML that ``--classes`` reads, with what people ask written beside it."""
    lines = [
        "# A class's id is its place in this list, from 0. Label images are 8-bit PNGs of these ids.",
        f"# {classes.void} is void: pixels that nobody should learn or score.",
        f"name: {_quoted(classes.name)}",
        "classes:",
    ]
    for index, (name, colour) in enumerate(zip(classes.names, classes.colours, strict=True)):
        lines.append(f"  - {{name: {_quoted(name)}, colour: {list(colour)}}}    # {index}")
    lines.append(f"void_colour: {list(classes.void_colour)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Plain where YAML would read a plain word as it is; names such as ``on`` or ``12`` need quotes."""
    plain = text.replace("_", "").replace("-", "").replace(" ", "")
    reserved = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
    if plain.isascii() and plain.isalnum() and not text[0].isdigit() and text.lower() not in reserved:
        return text
    return "'" + text.replace("'", "''") + "'"
