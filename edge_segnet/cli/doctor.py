"""``edge-segnet doctor``. Loads no native library (so nothing of ``common``): one that crashes is to be reported."""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from edge_segnet.cli.command import program
from edge_segnet.cli.options import Json
from edge_segnet.core.files import output_error, write_bytes
from edge_segnet.doctor.report import Finding, Report, Status
from edge_segnet.doctor.run import examine

LOOK: Final[dict[Status, tuple[str, str]]] = {
    "grey": ("-", "bright_black"),
    "green": ("ok", "green"),
    "yellow": ("look", "bold yellow"),
    "red": ("FAIL", "bold red"),
}
"""Words, so that a log and the colour-blind see them too."""
UPWARDS: Final[tuple[Status, ...]] = ("grey", "green", "yellow", "red")
"""The worst last: there the eye is when the program ends."""


@dataclass(frozen=True)
class Doctor:
    """Check this machine against the settings: what is here, what is wrong, what to do about it.

    GPU, TensorRT and engines, cameras, GStreamer, rights, disk, heat, ports, broker, the systemd unit. Changes nothing.

    With sudo it sees more: closed settings, other users' programs.

    Exit code 0, or the smallest that FAILs: 2 settings, 3 model, engine, GPU; 4 camera, port, broker, folder; 7 disk.

        edge-segnet doctor

        sudo edge-segnet doctor --config config.yaml --json report.json
    """

    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", metavar="FILE", help="Settings; left out: /etc/edge-segnet/config.yaml if any."),
    ] = None
    timeout: Annotated[
        float, typer.Option(metavar="S", min=1.0, max=600.0, help="Report after so long what has not answered.")
    ] = 7.0
    json: Json = None

    def run(self) -> None:
        """Check, print, and end with the report's exit code."""
        report = examine(self.config, limit_s=self.timeout)
        if self.json is not None:
            _write(report, self.json)
        out = Console(stderr=self.json == "-", highlight=False)
        out.print(Group(_heading(report), _table(report), _summary(report)))
        sys.exit(report.exit_code)


def _write(report: Report, target: str) -> None:
    text = json.dumps(report.to_document(), indent=1) + "\n"
    if target != "-":
        write_bytes(Path(target), text.encode())
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered must not fail again at exit
        raise output_error("standard output", error) from error


def _heading(report: Report) -> Text:
    where = report.config or "built-in settings"
    return Text(f"edge-segnet {report.version} on {socket.gethostname()}, {where}\n")


def _table(report: Report) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(width=4)
    table.add_column(overflow="fold", max_width=18)
    table.add_column(overflow="fold")
    for status in UPWARDS:
        word, style = LOOK[status]
        for titles, finding in _merged(report, status):
            table.add_row(Text(word, style), Text(", ".join(titles)), _words(finding))
    return table


def _merged(report: Report, status: Status) -> list[tuple[list[str], Finding]]:
    """Findings of a status; those with the same words in one row."""
    rows: dict[tuple[str, str], tuple[list[str], Finding]] = {}
    for finding in report.findings:
        if finding.status == status:
            rows.setdefault((finding.seen, finding.remedy), ([], finding))[0].append(finding.title)
    return list(rows.values())


def _words(finding: Finding) -> Text:
    words = Text(finding.seen, "bright_black" if finding.status == "grey" else "")
    if finding.remedy:
        words.append(f"\n-> {finding.remedy}", "cyan")
    return words


def _summary(report: Report) -> Text:
    counts = f"{report.count('red')} FAIL, {report.count('yellow')} to look at, {report.count('green')} ok"
    ending = f"; exit code {report.exit_code}" if report.exit_code else ""
    return Text(f"\n{counts}, in {report.seconds:.1f} s{ending}")


app = program("doctor", Doctor)
