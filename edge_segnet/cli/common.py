"""What commands share: sizes, class maps, models, JSON output, progress bars."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO, get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edge_segnet.core import classes as class_maps
from edge_segnet.core import yaml
from edge_segnet.core.classes import CLASS_MAPS, ClassMap
from edge_segnet.core.errors import UsageError
from edge_segnet.core.files import output_error, written_beside
from edge_segnet.data.cvat import LABELMAP, read_labelmap
from edge_segnet.pictures.files import read_lut
from edge_segnet.pictures.listing import is_picture

logger = logging.getLogger(__name__)
READER_GONE: Final = 141
"""What a shell reports for a program that wrote into a pipe nobody read any more."""


def check_share(flag: str, value: float) -> float:
    """0..1, and no "nan"; raises UsageError."""
    if not 0.0 <= value <= 1.0:
        raise UsageError(f"{flag} {value}: not a share", hint="give 0 to 1")
    return value


def choose(flag: str, value: str, choices: Any) -> Any:
    """Check ``value`` against a ``Literal``; raises UsageError that lists what is possible."""
    allowed = get_args(choices)
    if value not in allowed:
        raise UsageError(f"{flag} {value}: unknown", hint=f"one of: {', '.join(allowed)}")
    return value


def read_classes(text: str, folder: Path | None = None, flag: str = "--classes ") -> ClassMap:
    """A class map by name, from a YAML file, a palette PNG or CVAT's labelmap.txt; raises UsageError or InputError.

    ``folder``: where a relative path starts; ``flag``: where the text stands, for messages.
    """
    path = (folder or Path()) / text
    there = path.is_file()
    if text in CLASS_MAPS and not there:
        return CLASS_MAPS[text]
    if path.name == LABELMAP and there:
        return read_labelmap(path)
    if path.suffix.lower() == ".png" or (there and is_picture(path)):
        return class_maps.from_lut(read_lut(path), None, path.stem)
    if path.suffix.lower() not in {".yaml", ".yml"} and not there:
        raise UsageError(f"{flag}{text}: no such class map", hint=f"{', '.join(CLASS_MAPS)}, a .yaml or a palette .png")
    return class_maps.from_dict(yaml.read(path).data, str(path))


def renaming(text: str) -> tuple[str, str]:
    """``OLD=NEW`` of --merge; raises UsageError."""
    name, equals, other = text.partition("=")
    if not (name and equals and other):
        raise UsageError(f"--merge {text}: not a pair of names", hint="give OLD=NEW, for example Road_marking=Road")
    return name, other


@contextmanager
def json_lines(target: str | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that writes one document as one line to a file (whole or not at all), to ``-``, or nowhere.

    Raises:
        OutputError: the file can't be written.
    """
    if target is None:
        yield lambda _document: None
    elif target == "-":
        yield _print_line
    else:
        with written_beside(Path(target)) as beside, beside.open("w", encoding="utf-8") as file:
            yield lambda document: _write_line(target, file, document)


def _print_line(document: dict[str, Any]) -> None:
    try:
        print(json.dumps(document), flush=True)  # noqa: T201
    except BrokenPipeError:
        discard_output()
        sys.exit(READER_GONE)
    except OSError as error:
        discard_output()
        raise output_error("standard output", error) from error


def discard_output() -> None:
    """Standard output to nowhere: what is still buffered must not fail again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _write_line(path: str, file: TextIO, document: dict[str, Any]) -> None:
    try:
        file.write(json.dumps(document) + "\n")
    except OSError as error:
        raise output_error(path, error) from error


def console(json_target: str | None) -> Console:
    """Where people's tables go: standard output, or standard error while JSON has the former."""
    return Console(stderr=json_target == "-", highlight=False)


@contextmanager
def progress_bar(label: str, total: float | None) -> Iterator[Callable[..., None]]:
    """A bar on standard error if that is a terminal; gives a function that advances it by one or sets ``completed``.
    Another ``total`` begins a new piece of work, whose remaining time is estimated afresh.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(label, total=total)

        def advance(completed: float | None = None, description: str | None = None, total: float | None = None) -> None:
            if total is not None and (total, description) != (bar.tasks[0].total, bar.tasks[0].description):
                bar.reset(task, total=total, description=description)
            bar.update(task, advance=1 if completed is None else None, completed=completed, description=description)

        yield advance
