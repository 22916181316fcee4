"""How long a person waits for the first answer; whole processes, from exec to exit."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure
from edge_segnet.pictures.files import write_image
from edge_segnet.street import Street

REPEATS = 5


def run(model: str, folder: Path) -> list[Figure]:
    """Median of five, after one run that fills the disk cache."""
    photo = folder / "one.jpg"
    write_image(photo, Street().render(0)[0])
    program = [sys.executable, "-m", "edge_segnet"]
    segment = [*program, "segment", str(photo), "-o", str(folder / "out.jpg"), "-m", model]
    return [
        Figure("edge-segnet segment one.jpg, process start to end", _seconds(segment), "s", 1.5),
        Figure("edge-segnet --help", _seconds([*program, "--help"]), "s", 0.4),
        Figure("edge-segnet segment --help", _seconds([*program, "segment", "--help"]), "s", 0.4),
        Figure("import edge_segnet, beyond Python's own start", 1e3 * _import_s(), "ms", 60.0),
    ]


def _import_s() -> float:
    """Seconds of the import alone, as the fresh process sees it."""
    code = "import time; t = time.perf_counter(); import edge_segnet; print(time.perf_counter() - t)"
    runs = [subprocess.run([sys.executable, "-c", code], check=True, capture_output=True) for _ in range(REPEATS + 1)]
    return median(float(run.stdout) for run in runs[1:])


def _seconds(command: list[str]) -> float:
    times = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "COLUMNS": "100"})
        times.append(time.perf_counter() - started)
    return median(times[1:])
