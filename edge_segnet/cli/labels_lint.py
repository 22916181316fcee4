"""``edge-segnet labels lint``."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Final

import typer
from rich.table import Table

from edge_segnet.cli.command import program
from edge_segnet.cli.common import console, json_lines, progress_bar
from edge_segnet.cli.label_options import Classes, Folder, Void, needed_classes
from edge_segnet.cli.options import Json
from edge_segnet.data.labels.lint import SHOWN, Report, collect, lint
from edge_segnet.data.pairs import find_splits

logger = logging.getLogger(__name__)
EXIT: Final = {"error": 4, "warning": 7, "note": 0}
"""The documented codes: the input is unusable; a threshold was missed; nothing to worry about."""


@dataclass(frozen=True)
class Lint:
    """Find what is wrong with a data set before a network learns it.

    Missing partners, sizes, values that are no class, void that is a class, ids off by one, damage by JPEG or
    smooth resizing, classes never seen, pictures in two parts; and the class weights.

    Exit code: 4 if there are errors, 7 if there are warnings, else 0.
    """

    folder: Folder
    classes: Classes = None
    void: Void = None
    allow_warnings: Annotated[bool, typer.Option("--allow-warnings", help="Exit 0 if there are only warnings.")] = False
    json: Json = None

    def run(self) -> int:
        """Print the findings; returns the exit code that the worst of them has."""
        class_map = needed_classes(self.folder, self.classes)
        work, lonely = collect(find_splits(self.folder))
        with progress_bar("lint", len(work)) as advance:
            report = lint(work, lonely, class_map, class_map.void if self.void is None else self.void, advance)
        with json_lines(self.json) as emit:
            emit(report.to_document())
        if self.json != "-":
            _print_report(report)
        worst = report.worst
        counts = Counter(finding.severity for finding in report.findings)
        summary = ", ".join(
            f"{counts[level]} {level}{'s' * (counts[level] != 1)}" for level in ("error", "warning", "note")
        )
        logger.info("%s: %d label images, %s", self.folder, len(work), summary)
        return 0 if worst is None or (worst == "warning" and self.allow_warnings) else EXIT[worst]


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


app = program("lint", Lint)
