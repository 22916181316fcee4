"""A service that runs for long with everything on: does it grow? Slopes with their 95 % confidence intervals.

``python -m tests.faults.soak --minutes M``: memory, threads, descriptors and the age of results are sampled; the first
fifth is left out (caches fill). Samples beside each other resemble each other, so a slope's interval is made of blocks.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import numpy as np
import psutil

from edge_segnet.sinks.http.server import WORKERS
from tests.support.models import save_tiny
from tests.support.program import Program, program

BLOCKS: Final = 12
T95: Final = 2.228
"""Student's t, two-sided 95 %, for 10 degrees of freedom (12 blocks, two parameters)."""
SETTINGS: Final = """
model: {model}
cameras:
  one: {{source: "synthetic://drive", rate: 30}}
  two: {{source: "synthetic://drive?seed=1", rate: 30}}
http: {{port: 0}}
regions: {{all: {{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}}
rules: [{{name: sky, region: all, class: Sky, above: 0.2, clear_below: 0.1}}]
jsonl: {{path: {folder}/lines, max_mb: 1, keep_mb: 4, free_mb: 0}}
video: {{path: {folder}/videos, max_mb: 1, keep_mb: 4, free_mb: 0}}
recording: {{path: {folder}/recordings, mode: continuous, max_mb: 4, keep_mb: 16, free_mb: 0}}
"""


SHORT: Final = {"memory": 400.0, "threads": 400.0, "descriptors": 400.0, "age p95": 20_000.0}
LONG: Final = {"memory": 1.0, "threads": 0.1, "descriptors": 0.1, "age p95": 5.0}
"""What the lower end of a slope's interval may be, per hour: of a short run, which sees little, and of a long one."""


@dataclass(frozen=True)
class Slope:
    """Of one figure, per hour, with half the width of its 95 % interval."""

    name: str
    unit: str
    first: float
    last: float
    per_hour: float
    half: float

    def flat(self, limits: Mapping[str, float]) -> bool:
        """Whether nothing says that it grows faster than the limit."""
        return self.per_hour - self.half <= limits[self.name]

    def line(self) -> str:
        """For people."""
        told = f"{self.per_hour:+.2f} ± {self.half:.2f} {self.unit}/h"
        return f"{self.name}: {self.first:.1f} -> {self.last:.1f} {self.unit}, {told}"


def slope(name: str, unit: str, at_s: Sequence[float], values: Sequence[float]) -> Slope:
    """Least squares through the means of ``BLOCKS`` blocks."""
    hours = np.array([block.mean() for block in np.array_split(np.array(at_s) / 3600.0, BLOCKS)])
    means = np.array([block.mean() for block in np.array_split(np.array(values), BLOCKS)])
    spread = hours - hours.mean()
    per_hour = float((spread * means).sum() / (spread**2).sum())
    rest = means - means.mean() - per_hour * spread
    error = math.sqrt(float((rest**2).sum()) / (BLOCKS - 2) / float((spread**2).sum()))
    return Slope(name, unit, float(means[0]), float(means[-1]), per_hour, T95 * error)


def _sample(service: Program, process: psutil.Process) -> list[float]:
    """[memory of service and children in MB, threads, descriptors, p95 of ages in ms]"""
    family = [process, *process.children(recursive=True)]
    memory = sum(each.memory_full_info().pss for each in family) / 1e6
    threads, files = sum(each.num_threads() for each in family), sum(each.num_fds() for each in family)
    told = service.get("/api/status").json()["cameras"]
    ages = [camera["age_ms"]["p95"] for camera in told.values() if camera["age_ms"]]
    return [memory, float(threads), float(files), max(ages, default=0.0)]


def _fill_workers(service: Program) -> None:
    """The web server has its worker threads one by one, when questions overlap; all of them are there from here on."""
    url = f"{service.url}/metrics"
    with ThreadPoolExecutor(4 * WORKERS) as clients:
        list(clients.map(lambda _: httpx.get(url, timeout=20), range(40 * WORKERS)))


def soak(folder: Path, model: Path, seconds: float) -> list[Slope]:
    """Run a service for so long, with two cameras, a dashboard's questions and every file open."""
    path = folder / "soak.yaml"
    path.write_text(SETTINGS.format(model=model, folder=folder), encoding="utf-8")
    at_s: list[float] = []
    rows: list[list[float]] = []
    with program("--config", path, environment={"STATE_DIRECTORY": str(folder / "state")}) as service:
        service.wait_ready()
        _fill_workers(service)
        process, began = psutil.Process(service.process.pid), time.monotonic()
        while (now_s := time.monotonic() - began) < seconds:
            for place in ("/frame/overlay.jpg?camera=one", "/metrics", "/api/events"):
                httpx.get(service.url + place, timeout=20)
            if now_s > seconds / 5:
                at_s.append(now_s)
                rows.append(_sample(service, process))
            time.sleep(min(2.0, seconds / 100))
        service.end()
    named = (("memory", "MB"), ("threads", ""), ("descriptors", ""), ("age p95", "ms"))
    return [slope(name, unit, at_s, [row[index] for row in rows]) for index, (name, unit) in enumerate(named)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    minutes = parser.parse_args().minutes
    limits = LONG if minutes >= 30 else SHORT
    with tempfile.TemporaryDirectory() as scratch:
        slopes = soak(Path(scratch), save_tiny(Path(scratch) / "tiny.onnx"), 60.0 * minutes)
    for each in slopes:
        print(f"{'flat ' if each.flat(limits) else 'GROWS'}  {each.line()}")  # noqa: T201
    return 0 if all(each.flat(limits) for each in slopes) else 1


if __name__ == "__main__":
    sys.exit(main())
