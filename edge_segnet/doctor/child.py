"""A process for one group of checks. Reads a request from standard input, writes JSON lines to standard output:
``{"begin": NAME}`` before each check, ``{"finding": {...}}`` for each finding, ``{"end": true}`` last.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from edge_segnet.core.errors import EdgeSegnetError
from edge_segnet.doctor import checks
from edge_segnet.doctor.context import Context, read_settings
from edge_segnet.doctor.place import Place
from edge_segnet.doctor.report import Finding, yellow
from edge_segnet.doctor.systemd import Unit

BUG: Final = "tell us: that is a bug of edge-segnet's"
LIBRARY: Final = "a library is missing or damaged: opencv and onnxruntime tell which"
NICER: Final = 5
"""A service that runs on this machine goes first."""


def main() -> None:
    """The whole process."""
    say = _own_output()
    request = json.load(sys.stdin)
    with contextlib.suppress(OSError):
        os.nice(NICER)
    context = _context(request)
    for name, place in checks.APART[request["group"]]:
        say({"begin": name})
        for finding in isolated(name, place, context):
            say({"finding": asdict(finding)})
    say({"end": True})
    # A library that can't end must not hold up the report.
    os._exit(0)


def isolated(name: str, place: str, context: Context) -> Iterator[Finding]:
    """The findings of one check; if it breaks, a finding that says so."""
    try:
        yield from checks.load(place)(context)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one check, the others go on
        words = str(error) if isinstance(error, EdgeSegnetError) else f"{type(error).__name__}: {error}"
        told = LIBRARY if isinstance(error, ImportError) else BUG
        yield yellow(name, f"this check broke: {words}", told)


def _own_output() -> Callable[[dict[str, Any]], None]:
    """Writes to what was standard output; that and standard error go nowhere, as native libraries talk."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)

    def say(message: dict[str, Any]) -> None:
        own.write(json.dumps(message) + "\n")
        own.flush()

    return say


def _context(request: dict[str, Any]) -> Context:
    path = None if request["config"] is None else Path(request["config"])
    read = read_settings(Place(Path(request["root"])), path)
    unit = None if request["unit"] is None else Unit(request["unit"])
    return Context(read.place, read.config, path, read.fault, unit)
