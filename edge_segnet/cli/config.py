"""``edge-segnet config``: the settings file of ``run``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edge_segnet.cli.command import add, group
from edge_segnet.core.errors import UsageError
from edge_segnet.core.files import write_bytes
from edge_segnet.install import share
from edge_segnet.sinks.registry import json_schema


@dataclass(frozen=True)
class Schema:
    """Print the JSON schema of the settings file."""

    def run(self) -> None:
        """On standard output."""
        print(json.dumps(json_schema(), indent=2))  # noqa: T201


@dataclass(frozen=True)
class Example:
    """Print example settings, with comments; without a NAME, the names that there are.

    edge-segnet config example usb > config.yaml
    """

    name: Annotated[str | None, typer.Argument(metavar="NAME", help="usb, csi, rtsp, several, mqtt ...")] = None
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there; never over another file.")
    ] = None

    def run(self) -> None:
        """On standard output, or to a new file; raises UsageError."""
        if self.name is None:
            for name, path in share.examples().items():
                first = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
                print(f"{name:10} {first}")  # noqa: T201
            return
        text = share.example(self.name)
        if self.output is None:
            print(text, end="")  # noqa: T201
        elif self.output.exists():
            raise UsageError(f"{self.output} is there already", hint="name another file")
        else:
            write_bytes(self.output, text.encode())


app = group("The settings file of 'run'.")
add(app, "schema", Schema)
add(app, "example", Example)
