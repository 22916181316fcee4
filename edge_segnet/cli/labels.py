"""``edge-segnet labels``: inspect, lint, colourise, convert."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from edge_segnet.cli.common import choose, console, json_lines, progress_bar, read_classes
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import EdgeSegnetError, InputError, PartialFailure, UsageError
from edge_segnet.core.files import write_bytes
from edge_segnet.data.dataset import CLASSES_FILE, classes_yaml
from edge_segnet.data.labels.lint import SHOWN, Report, collect, lint
from edge_segnet.data.labels.recode import Form, Reading, Recoding, plan, recode
from edge_segnet.data.labels.sheet import contact_sheet, key_for, value_name
from edge_segnet.data.labels.survey import Facts, survey
from edge_segnet.data.pairs import find_splits
from edge_segnet.pictures.files import write_image
from edge_segnet.pictures.listing import pictures_in

logger = logging.getLogger(__name__)
EXIT = {"error": 4, "warning": 7, "note": 0}
"""The contract's codes: the input is unusable; a threshold was missed; nothing to worry about."""


def _classes(root: Path, given: str | None) -> ClassMap | None:
    """The class map that was asked for, or the data set's own ``classes.yaml``."""
    if given is not None:
        return read_classes(given)
    own = root / CLASSES_FILE
    return read_classes(str(own)) if own.is_file() else None


def _needed(root: Path, given: str | None) -> ClassMap:
    classes = _classes(root, given)
    if classes is None:
        raise UsageError(f"{root}: which class map?", hint=f"give --classes, or put a {CLASSES_FILE} into the folder")
    return classes


def run_inspect(root: Path, *, classes: str | None, sheet: Path | None, each: bool, json_target: str | None) -> None:
    """Which values occur, how often, as what; sizes and forms; a contact sheet."""
    known = _classes(root, classes)
    work = [(split.name, path, None) for split in find_splits(root) for path in pictures_in(split.labels)]
    with progress_bar("inspect", len(work)) as advance:
        facts = survey(work, known, advance)
    bad = [one for one in facts if one.error]
    good = [one for one in facts if not one.error]
    if not good:
        raise InputError(bad[0].error)
    counts = np.sum([one.counts for one in good], axis=0)
    if sheet is not None:
        write_image(sheet, contact_sheet([one.labels for one in good], key_for(good, known)))
    with json_lines(json_target) as emit:
        emit(_inspection(facts, counts, known))
    if json_target != "-":
        _print_inspection(good, counts, known, each)
    for one in bad:
        logger.warning("skipped %s", one.error)
    if sheet is not None:
        logger.info("contact sheet: %s", sheet)
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


def run_lint(
    root: Path, *, classes: str | None, void: int | None, allow_warnings: bool, json_target: str | None
) -> int:
    """Print the findings; returns the exit code that the worst of them has."""
    class_map = _needed(root, classes)
    work, lonely = collect(find_splits(root))
    with progress_bar("lint", len(work)) as advance:
        report = lint(work, lonely, class_map, class_map.void if void is None else void, advance)
    with json_lines(json_target) as emit:
        emit(report.to_document())
    if json_target != "-":
        _print_report(report)
    worst = report.worst
    counts = Counter(finding.severity for finding in report.findings)
    summary = ", ".join(
        f"{counts[level]} {level}{'s' * (counts[level] != 1)}" for level in ("error", "warning", "note")
    )
    logger.info("%s: %d label images, %s", root, len(work), summary)
    return 0 if worst is None or (worst == "warning" and allow_warnings) else EXIT[worst]


def _print_report(report: Report) -> None:
    out = console(None)
    style = {"error": "bold red", "warning": "yellow", "note": "cyan"}
    document = report.to_document()
    table = Table("id", "class", "pixels", "share", "images", "weight", box=None, pad_edge=False)
    for column in (0, 2, 3, 4, 5):
        table.columns[column].justify = "right"
    for name, row in document["classes"].items():
        share = f"{100 * row['share']:.2f} %"
        table.add_row(str(row["id"]), name, f"{row['pixels']:,}", share, str(row["images"]), f"{row['weight']:.4f}")
    out.print(table)
    for finding in report.findings:
        text = f"{finding.message}{f': {finding.hint}' if finding.hint else ''}"
        out.print(f"[{style[finding.severity]}]{finding.severity:<8}[/] {finding.code:<16} ", end="")
        out.print(text, markup=False, soft_wrap=True)
        for file in finding.files[:SHOWN]:
            out.print(f"         {file}", markup=False, soft_wrap=True)
        if len(finding.files) > SHOWN:
            out.print(f"         and {len(finding.files) - SHOWN} more")


def run_convert(
    root: Path,
    out: Path,
    *,
    classes: str | None,
    to: str | None,
    void: int | None,
    to_void: int | None,
    merge: list[str],
    drop: list[str],
    form: str,
    read: str,
    json_target: str | None,
) -> None:
    """Write every label image of ``root`` in another form or class map under ``out``, in the same folders.

    Raises:
        UsageError: the class maps don't fit together, or OUT is the folder itself.
        PartialFailure: some files can't be converted; the others are.
    """
    source = _needed(root, classes)
    recoding = plan(
        source,
        source if to is None else read_classes(to, flag="--to "),
        void=void,
        target_void=to_void,
        merge=dict(_renaming(text) for text in merge),
        drop=drop,
        form=choose("--form", form, Form),
        reading=choose("--read", read, Reading),
    )
    if out.resolve() == root.resolve():
        raise UsageError(f"-o {out}: that is where the labels come from", hint="name another folder")
    files = [path for split in find_splits(root) for path in pictures_in(split.labels)]
    failures = _convert(files, root, out, recoding)
    write_bytes(out / CLASSES_FILE, classes_yaml(recoding.target).encode())
    for error in failures:
        logger.warning("skipped %s", error)
    with json_lines(json_target) as emit:
        emit({"output": str(out), "written": len(files) - len(failures), "failed": [str(error) for error in failures]})
    logger.info("%d label images -> %s (%s of %s)", len(files) - len(failures), out, form, recoding.target.name)
    if failures:
        raise PartialFailure(f"{len(failures)} of {len(files)} label images can't be converted")


def _renaming(text: str) -> tuple[str, str]:
    name, equals, other = text.partition("=")
    if not (name and equals and other):
        raise UsageError(f"--merge {text}: not a pair of names", hint="give OLD=NEW, for example Road_marking=Road")
    return name, other


def _convert(files: list[Path], root: Path, out: Path, recoding: Recoding) -> list[EdgeSegnetError]:
    def one(path: Path) -> EdgeSegnetError | None:
        try:
            recode(path, (out / path.relative_to(root)).with_suffix(".png"), recoding)
        except InputError as error:
            return error
        return None

    with (
        progress_bar("convert", len(files)) as advance,
        ThreadPoolExecutor(len(os.sched_getaffinity(0)), "convert") as pool,
    ):
        failures = []
        for error in pool.map(one, files):
            advance()
            if error is not None:
                failures.append(error)
    return failures
