"""What the commands of ``edge-segnet labels`` share: the folder, and which class map its labels have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_segnet.cli.common import read_classes
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import UsageError
from edge_segnet.data.dataset import CLASSES_FILE, find_classes

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        help="A data set (train/images, train/labels, ...; or train, trainannot), or label images, or one.",
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(metavar="MAP", help="A name, a YAML file or a palette PNG; else DIR/classes.yaml."),
]
Void = Annotated[
    int | None,
    typer.Option(metavar="ID", min=0, max=255, help="Label value of void; the number of classes if left out."),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="Folder to write, with the same folders inside.")]


def classes_of(root: Path, given: str | None) -> ClassMap | None:
    """The class map that was asked for, or the data set's own ``classes.yaml``."""
    if given is not None:
        return read_classes(given)
    own = find_classes(root)
    return None if own is None else read_classes(str(own))


def needed_classes(root: Path, given: str | None) -> ClassMap:
    """The same; raises UsageError: there is none."""
    classes = classes_of(root, given)
    if classes is None:
        raise UsageError(f"{root}: which class map?", hint=f"give --classes, or put a {CLASSES_FILE} into the folder")
    return classes
