"""``edge-segnet label`` killed at random moments, then ``--resume``: every frame must be there, and once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil
import pyarrow.dataset

from benchmarks.figure import Figure
from tests.support import drives
from tests.support.service import drive

SIZE: Final = (480, 360)
RECORDINGS, FRAMES = 14, 24
ROUNDS: Final = 5
SEED: Final = 3
BEGUN_S: Final = (0.5, 5.0)
"""After its start a driver has a worker killed; as much later it is killed itself."""


def run(model: str, folder: Path) -> list[Figure]:
    """Five times a worker dies, and five times the driver."""
    fleet, out = folder / "kills" / "fleet", folder / "kills" / "out"
    _record(fleet)
    command = [sys.executable, "-m", "edge_segnet", "label", str(fleet), "-m", model, "-o", str(out), "--workers", "2"]
    command += ["--backend", "onnx", "--resume"]
    chance, killed = random.Random(SEED), Counter[str]()
    for _ in range(ROUNDS):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as driver:
            killed["worker"] += _worker_killed(driver, chance)
            killed["driver"] += _over(driver, chance) is None
            driver.kill()
    end = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if end.returncode:
        raise RuntimeError(f"label --resume ended with {end.returncode}: {end.stderr[-500:]}")
    keys = Counter(pyarrow.dataset.dataset(out / "frames", format="parquet").to_table(["key"])["key"].to_pylist())
    missing, twice = RECORDINGS * FRAMES - len(keys), keys.total() - len(keys)
    left = list(out.rglob("*.part.*"))
    return [
        Figure("label: workers killed at work", killed["worker"], f"of {ROUNDS}", ROUNDS, ">="),
        Figure("label: drivers killed at work", killed["driver"], f"of {ROUNDS}", ROUNDS, ">="),
        Figure("label: frames that are missing after --resume", missing, "", 0.0),
        Figure("label: frames that are there twice", twice, "", 0.0),
        Figure("label: half-written files left", len(left), "", 0.0),
    ]


def _record(fleet: Path) -> None:
    fleet.mkdir(parents=True)
    street = [result.frame.image for result in drive(FRAMES, SIZE)]
    for number in range(RECORDINGS):
        images = street[number:] + street[:number]
        drives.write_mcap(fleet / f"{number}.mcap", {"/front/image": drives.compressed(images)}, chunk_size=1 << 20)


def _worker_killed(driver: subprocess.Popen[bytes], chance: random.Random) -> bool:
    """Whether there was one to be killed."""
    if _over(driver, chance) is not None:
        return False
    with suppress(psutil.NoSuchProcess):
        workers = psutil.Process(driver.pid).children()
        if workers:
            chance.choice(workers).send_signal(signal.SIGKILL)
            return True
    return False


def _over(driver: subprocess.Popen[bytes], chance: random.Random) -> int | None:
    """Its exit code if it ends before a random moment."""
    try:
        return driver.wait(chance.uniform(*BEGUN_S))
    except subprocess.TimeoutExpired:
        return None
