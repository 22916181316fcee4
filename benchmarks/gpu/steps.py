"""The steps of ``make gpu``, each a process of its own: ``python -m benchmarks.gpu.steps STEP REPEATS`` prints JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from benchmarks.figure import Figure, Missing
from benchmarks.gpu import kernel, loop
from edge_segnet.core.errors import ModelError

SANITIZER = "/usr/local/cuda/bin/compute-sanitizer"
MEASURED, UNMEASURED, FAILED = "measured", "unmeasured", "failed"


@dataclass(frozen=True)
class Step:
    """``limit_s``: the longest that it may take; all together 8 minutes."""

    limit_s: float
    run: Callable[[int], list[Figure]]


def tests(_: int) -> list[Figure]:
    """tests/gpu; what failed stands on standard error."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/gpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout[-3000:], file=sys.stderr)  # noqa: T201
    words = done.stdout.strip().splitlines()[-1].replace(",", "").split() if done.stdout.strip() else []
    counts = {word: int(before) for before, word in pairwise(words) if before.isdigit()}
    if done.returncode and not counts.get("failed"):
        raise RuntimeError(f"pytest ended with {done.returncode}")
    return [
        Figure("tests/gpu passed", counts.get("passed", 0), "tests", 1, ">="),
        Figure("tests/gpu failed", counts.get("failed", 0) + counts.get("errors", 0), "tests", 0),
        Figure("tests/gpu skipped", counts.get("skipped", 0), "tests"),
    ]


def sanitizer(tool: str, _: int) -> list[Figure]:
    """compute-sanitizer over the kernel and ten loops: how many of both it finds fault with."""
    program = shutil.which("compute-sanitizer") or shutil.which(SANITIZER)
    if program is None:
        raise Missing("compute-sanitizer is not installed (CUDA toolkit)")
    faults = 0
    for what in ("kernel.once", "loop.ten"):
        module, function = what.split(".")
        code = f"from benchmarks.gpu import {module}; {module}.{function}()"
        command = [program, "--tool", tool, "--error-exitcode", "99", sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 99):
            raise RuntimeError(f"{what} under {tool}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
        if done.returncode:
            print(done.stdout[-3000:], file=sys.stderr)  # noqa: T201
        faults += bool(done.returncode)
    return [Figure(f"{tool} over the decode kernel and ten loops: with faults", faults, "of 2", 0)]


def int8(_: int) -> list[Figure]:
    """An INT8 engine is judged by the gate that made its model."""
    raise Missing("needs an INT8 model: edge-segnet quantize, then build-engine --precision int8 on this card")


STEPS: dict[str, Step] = {
    "decode": Step(45, kernel.run),
    "loop, cuda-bindings": Step(75, partial(loop.run, "cuda-bindings")),
    "loop, pycuda": Step(60, partial(loop.run, "pycuda")),
    "FP16": Step(40, loop.agreement),
    "batches": Step(70, loop.batches),
    "INT8": Step(5, int8),
    "tests": Step(85, tests),
    "memcheck": Step(50, partial(sanitizer, "memcheck")),
    "racecheck": Step(50, partial(sanitizer, "racecheck")),
}


def outcome(name: str, repeats: int) -> dict[str, Any]:
    """What a step found, as data: ``state`` and either ``figures`` or ``reason``."""
    try:
        figures = STEPS[name].run(repeats)
    except (Missing, ModelError, ModuleNotFoundError) as lack:
        return {"state": UNMEASURED, "reason": str(lack)}
    except Exception as error:  # noqa: BLE001 - whatever breaks a step is its outcome
        return {"state": FAILED, "reason": f"{type(error).__name__}: {error}"}
    return {"state": MEASURED, "figures": [figure.to_document() for figure in figures]}


if __name__ == "__main__":
    found = outcome(sys.argv[1], int(sys.argv[2]))
    print(json.dumps(found))  # noqa: T201
