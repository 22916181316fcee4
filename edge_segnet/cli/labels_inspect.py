"""``edge-segnet labels inspect``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from edge_segnet.cli.command import program
from edge_segnet.cli.common import console, json_lines, progress_bar
from edge_segnet.cli.label_options import Classes, Folder, classes_of
from edge_segnet.cli.options import Json
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import InputError, PartialFailure
from edge_segnet.data.labels.sheet import contact_sheet, key_for, value_name
from edge_segnet.data.labels.survey import Facts, survey
from edge_segnet.data.pairs import find_splits
from edge_segnet.pictures.files import write_image

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inspect:
    """Which values occur, how often, as which class; sizes and forms; a picture in which black labels are seen."""

    folder: Folder
    classes: Classes = None
    sheet: Annotated[
        Path | None, typer.Option("--sheet", "-o", metavar="SHEET.png", help="Write a contact sheet with a legend.")
    ] = None
    each: Annotated[bool, typer.Option("--each", help="Print a line per label image, too.")] = False
    json: Json = None

    def run(self) -> None:
        """Which values occur, how often, as what; sizes and forms; a contact sheet."""
        known = classes_of(self.folder, self.classes)
        work = [(split.name, path, None) for split in find_splits(self.folder) for path in split.label_files()]
        with progress_bar("inspect", len(work)) as advance:
            facts = survey(work, known, advance)
        bad = [one for one in facts if one.error]
        good = [one for one in facts if not one.error]
        if not good:
            raise InputError(bad[0].error)
        counts = np.sum([one.counts for one in good], axis=0)
        if self.sheet is not None:
            write_image(self.sheet, contact_sheet([one.labels for one in good], key_for(good, known)))
        with json_lines(self.json) as emit:
            emit(_inspection(facts, counts, known))
        if self.json != "-":
            _print_inspection(good, counts, known, self.each)
        for one in bad:
            logger.warning("skipped %s", one.error)
        if self.sheet is not None:
            logger.info("contact sheet: %s", self.sheet)
        if bad:
            raise PartialFailure(f"{len(bad)} of {len(facts)} label images can't be read")


def _print_inspection(facts: list[Facts], counts: NDArray[np.int64], classes: ClassMap | None, each: bool) -> None:
    out = console(None)
    forms = Counter(one.stored for one in facts)
    sizes = Counter(f"{one.size[0]}x{one.size[1]}" for one in facts)
    parts = Counter(one.split for one in facts)
    for name, counter in (("parts", parts), ("form", forms), ("size", sizes)):
        out.print(f"{name:<6} " + ", ".join(f"{key} ({count})" for key, count in counter.most_common(6)), style=None)
    if counts.any():
        out.print(_value_table(facts, counts, classes))
    colours = _all_colours(facts)
    if colours:
        out.print(_colour_table(facts, colours, classes))
    if each:
        for one in facts:
            values = " ".join(f"{value}:{one.counts[value]}" for value in one.values)
            shown = values if one.kind != "colours" else f"{one.kinds_of_colour} colours"
            out.print(f"{one.labels}  {one.size[0]}x{one.size[1]}  {one.stored}  {shown}", soft_wrap=True)


def _value_table(facts: list[Facts], counts: NDArray[np.int64], classes: ClassMap | None) -> Table:
    table = Table("value", "class", "colour (RGB)", "pixels", "share", "images", box=None, pad_edge=False)
    for column in (0, 3, 4, 5):
        table.columns[column].justify = "right"
    plain = [one for one in facts if one.kind != "colours"]
    total = max(int(counts.sum()), 1)
    palette = next((one.palette for one in plain if one.palette is not None), None)
    for value in np.flatnonzero(counts):
        images = sum(bool(one.counts[value]) for one in facts)
        colour = _colour(int(value), classes, palette)
        share = f"{100 * counts[value] / total:.2f} %"
        name = value_name(int(value), classes)
        table.add_row(str(value), name, colour, f"{counts[value]:,}", share, str(images))
    return table


def _colour(value: int, classes: ClassMap | None, palette: NDArray[np.uint8] | None) -> str:
    if classes is not None and value <= len(classes):
        colour: Sequence[int] = [*classes.colours, classes.void_colour][value]
    elif palette is not None and value < len(palette):
        colour = palette[value].tolist()
    else:
        return f"{value},{value},{value}"
    return ",".join(map(str, colour))


def _all_colours(facts: list[Facts]) -> Counter[tuple[int, int, int]]:
    total: Counter[tuple[int, int, int]] = Counter()
    for one in facts:
        total.update(one.colours)
    return total


def _colour_table(facts: list[Facts], colours: Counter[tuple[int, int, int]], classes: ClassMap | None) -> Table:
    table = Table("colour (RGB)", "class", "pixels", "share", "images", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    total = sum(colours.values())
    for colour, count in colours.most_common(40):
        images = sum(colour in one.colours for one in facts)
        name = _colour_name(colour, classes)
        table.add_row(",".join(map(str, colour)), name, f"{count:,}", f"{100 * count / total:.2f} %", str(images))
    return table


def _colour_name(colour: tuple[int, int, int], classes: ClassMap | None) -> str:
    if classes is None:
        return ""
    if colour in classes.colours:
        return classes.names[classes.colours.index(colour)]
    return "void" if colour == classes.void_colour else "not a class"


def _inspection(facts: list[Facts], counts: NDArray[np.int64], classes: ClassMap | None) -> dict[str, Any]:
    def numbers(row: NDArray[np.int64]) -> dict[str, int]:
        return {str(value): int(row[value]) for value in np.flatnonzero(row)}

    return {
        "class_map": None if classes is None else classes.name,
        "values": {
            str(value): {
                "pixels": int(counts[value]),
                "class": value_name(int(value), classes),
                "images": sum(bool(one.counts[value]) for one in facts),
            }
            for value in np.flatnonzero(counts)
        },
        "colours": {",".join(map(str, colour)): count for colour, count in _all_colours(facts).most_common(256)},
        "images": [
            {
                "file": str(one.labels),
                "part": one.split,
                "size": list(one.size),
                "form": one.stored,
                "error": one.error or None,
                "values": numbers(one.counts),
            }
            for one in facts
        ],
    }


app = program("inspect", Inspect)
