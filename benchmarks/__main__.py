"""``python -m benchmarks [--json FILE] [--model NAME] [NAME...]``: run all or some, print a table, write JSON."""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Final

import onnxruntime
import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.figure import Figure, Missing

PARTS: Final = {
    "cost": "cost.run",
    "startup": "startup.run",
    "street": "throughput.street",
    "throughput": "throughput.run",
    "precisions": "precisions.run",
    "precisions-vgg": "precisions.vgg",
    "sureness": "sureness.run",
    "memory": "throughput.memory",
    "caffe": "caffe.run",
    "labels": "labels.run",
    "recording": "recording.run",
    "label": "labelling.run",
    "label-ray": "labelling.ray",
    "label-memory": "labelling.memory",
    "label-kills": "kills.run",
    "regions": "regions.run",
    "service": "service.load",
    "batch": "batch.run",
    "start": "service.start",
    "camera": "service.camera",
    "camera-process": "cameras.child",
    "hostile-cameras": "cameras.hostile",
    "capture": "capture.run",
    "reload": "reload.run",
    "endurance": "service.endurance",
    "hostile": "service.hostile",
    "sinks": "messages.everything",
    "faults": "messages.faults",
    "events": "messages.events",
    "build-engine": "engine.build",
    "gpu-loop": "engine.host",
}
"""Name -> file and function: imported when it is measured, so that what a part needs is missing in that part only."""


def main() -> int:
    """Exit code 7 if a bound is missed, 1 if a part is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--model", default="segnet-lite")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - PARTS.keys():
        parser.error(f"unknown benchmark {sorted(unknown)[0]}; there are {', '.join(PARTS)}")
    logging.getLogger("edge_segnet").setLevel(logging.CRITICAL)  # cameras are lost and rules fire by the hundred
    names = arguments.names or list(PARTS)
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            began = time.monotonic()
            report.measure(name, lambda name=name: run(name, arguments.model, Path(folder)))  # type: ignore[misc]
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)  # noqa: T201
            if arguments.json is not None:
                report.write(arguments.json)  # after every part: what is measured is kept, whatever comes
    report.show()
    return report.exit_code


def run(name: str, model: str, folder: Path) -> list[Figure]:
    """Measure a part; raises ModuleNotFoundError, Missing where something is not here."""
    module, _, function = PARTS[name].partition(".")
    found: list[Figure] = getattr(import_module(f"benchmarks.{module}"), function)(model, folder)
    return found


@dataclass
class Report:
    """What was measured, what could not be here, and what broke."""

    figures: list[Figure] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    """Part -> what this machine lacks."""
    broken: dict[str, str] = field(default_factory=dict)

    def measure(self, name: str, part: Callable[[], list[Figure]]) -> None:
        """Run a part; the next ones are measured whatever becomes of it."""
        try:
            self.figures += part()
        except (Missing, ModuleNotFoundError, pytest.skip.Exception) as lack:  # the tests' doubles skip what is missing
            self.missing[name] = str(lack)
            print(f"{name}: not measured, {lack}", file=sys.stderr, flush=True)  # noqa: T201
        except Exception as error:  # noqa: BLE001 - a part that breaks must not cost the others
            self.broken[name] = f"{type(error).__name__}: {error}"
            traceback.print_exc()

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        document = {
            "machine": _machine(),
            "figures": [figure.to_document() for figure in self.figures],
            "not_measured": self.missing,
            "broken": self.broken,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        beside.replace(path)

    def show(self) -> None:
        """A table of all of it."""
        table = Table("figure", "measured", "bound", "", title=_machine())
        for figure in self.figures:
            bound = "" if figure.bound is None else f"{figure.sign} {figure.bound:g} {figure.unit}"
            verdict = "" if figure.bound is None else ("met" if figure.met else "[bold red]missed[/]")
            table.add_row(figure.name, f"{figure.value:.4g} {figure.unit}", bound, verdict)
        for name, why in self.missing.items():
            table.add_row(name, "not measured", "", Text(why))
        for name, why in self.broken.items():
            table.add_row(name, "[bold red]broken[/]", "", Text(why))
        Console(width=110).print(table)

    @property
    def exit_code(self) -> int:
        """1: a part is broken; 7: a bound is missed."""
        return 1 if self.broken else (0 if all(figure.met for figure in self.figures) else 7)


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    versions = f"Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}"
    return f"{cores} cores of {_processor()}, {platform.machine()}, {versions}"


_QUICK = {
    "amx_int8": "AMX INT8",
    "amx_bf16": "AMX bf16",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
}
"""What /proc/cpuinfo calls what the runtimes' precisions live on."""


def _processor() -> str:
    """Its name, and what it is quick in."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "an unknown processor"
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    able = facts.get("flags", "").split()
    quick = [words for flag, words in _QUICK.items() if flag in able]
    return f"{facts.get('model name', 'a processor')} ({', '.join(quick)})" if quick else facts.get("model name", "?")


if __name__ == "__main__":
    sys.exit(main())
