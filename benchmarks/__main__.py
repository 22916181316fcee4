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
from collections.abc import Callable
from pathlib import Path

import onnxruntime
from rich.console import Console
from rich.table import Table

from benchmarks import caffe, cost, engine, gpu, labels, messages, recording, regions, service, startup, throughput
from benchmarks.figure import Figure

BENCHMARKS: dict[str, Callable[[str, Path], list[Figure]]] = {
    "cost": cost.run,
    "startup": startup.run,
    "street": throughput.street,
    "throughput": throughput.run,
    "memory": throughput.memory,
    "caffe": caffe.run,
    "labels": labels.run,
    "recording": recording.run,
    "regions": regions.run,
    "service": service.load,
    "start": service.start,
    "camera": service.camera,
    "endurance": service.endurance,
    "hostile": service.hostile,
    "sinks": messages.everything,
    "faults": messages.faults,
    "events": messages.events,
    "build-engine": engine.build,
    "gpu-loop": engine.host,
    "gpu": gpu.run,
}


def main() -> int:
    """Exit code 7 if a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--model", default="segnet-lite")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - BENCHMARKS.keys():
        parser.error(f"unknown benchmark {sorted(unknown)[0]}; there are {', '.join(BENCHMARKS)}")
    logging.getLogger("edge_segnet").setLevel(logging.CRITICAL)  # cameras are lost and rules fire by the hundred
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names or BENCHMARKS:
            began = time.monotonic()
            figures += BENCHMARKS[name](arguments.model, Path(folder))
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)  # noqa: T201
    _show(figures)
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        document = {"machine": _machine(), "figures": [figure.to_document() for figure in figures]}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if all(figure.met for figure in figures) else 7


def _show(figures: list[Figure]) -> None:
    table = Table("figure", "measured", "bound", "", title=_machine())
    for figure in figures:
        bound = "" if figure.bound is None else f"{figure.sign} {figure.bound:g} {figure.unit}"
        verdict = "" if figure.bound is None else ("met" if figure.met else "[bold red]missed[/]")
        table.add_row(figure.name, f"{figure.value:.4g} {figure.unit}", bound, verdict)
    Console(width=110).print(table)


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    versions = f"Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}"
    return f"{cores} cores, {platform.machine()}, {versions}"


if __name__ == "__main__":
    sys.exit(main())
