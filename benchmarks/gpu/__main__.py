"""``python -m benchmarks.gpu [--json FILE] [--repeats N] [STEP...]``: at most 8 minutes, a table, and a file that is
written after every step. Exit code 7 if a bound is missed, 1 if a step fails; what can't be measured here says why.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.gpu.steps import FAILED, MEASURED, STEPS, UNMEASURED
from edge_segnet.cuda.choice import installed
from edge_segnet.cuda.probe import NoGpu, find_gpu

BUDGET_S = 480.0


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--repeats", type=int, default=300, help="of a measurement")
    arguments = parser.parse_args()
    if unknown := set(arguments.steps) - STEPS.keys():
        parser.error(f"unknown step {sorted(unknown)[0]!r}; there are {', '.join(STEPS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a step does not outlive a run that is cut
    report: dict[str, Any] = {"gpu": _gpu(), "drivers": list(installed()), "steps": {}}
    ends = time.monotonic() + BUDGET_S
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.steps or STEPS:
            report["steps"][name] = _step(name, arguments.repeats, report["gpu"], Path(folder), ends)
            if arguments.json is not None:
                _write(arguments.json, report)  # after every step: a run that is cut leaves its part
    _show(report)
    return _exit_code(report)


def _gpu() -> dict[str, Any]:
    try:
        found = find_gpu()
    except NoGpu as error:
        return {"name": None, "reason": str(error)}
    return {"name": found.name, "compute_capability": list(found.compute_capability), "cuda": list(found.cuda)}


def _step(name: str, repeats: int, gpu: dict[str, Any], folder: Path, ends: float) -> dict[str, Any]:
    if gpu["name"] is None:
        return {"state": UNMEASURED, "reason": gpu["reason"]}
    limit_s = min(STEPS[name].limit_s, ends - time.monotonic())
    if limit_s <= 0:
        return {"state": UNMEASURED, "reason": f"the {BUDGET_S:g} s of the whole were over"}
    began = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.gpu.steps", name, str(repeats)]
    environment = os.environ | {"STATE_DIRECTORY": str(folder)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, start_new_session=True)
    try:
        said, _ = process.communicate(timeout=limit_s)
        found: dict[str, Any] = json.loads(said.decode().strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        found = {"state": FAILED, "reason": f"not done after {limit_s:.0f} s"}
    except (ValueError, IndexError):
        found = {"state": FAILED, "reason": f"it ended with {process.returncode} and said nothing"}
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with what it started
        process.communicate()
    return {**found, "seconds": round(time.monotonic() - began, 1)}


def _write(path: Path, report: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)


def _show(report: dict[str, Any]) -> None:
    table = Table("figure", "measured", "bound", "", title=report["gpu"]["name"] or "no GPU")
    for name, step in report["steps"].items():
        for figure in step.get("figures", []):
            bound = "" if figure["bound"] is None else f"{figure['sign']} {figure['bound']:g} {figure['unit']}"
            verdict = "" if figure["bound"] is None else ("met" if figure["met"] else "[bold red]missed[/]")
            table.add_row(Text(figure["name"]), f"{figure['value']:.4g} {figure['unit']}", bound, verdict)
        if step["state"] != MEASURED:
            table.add_row(name, step["state"], "", Text(step["reason"]))
    Console(width=120).print(table)


def _exit_code(report: dict[str, Any]) -> int:
    steps = report["steps"].values()
    if any(step["state"] == FAILED for step in steps):
        return 1
    return 0 if all(figure["met"] for step in steps for figure in step.get("figures", [])) else 7


if __name__ == "__main__":
    sys.exit(main())
