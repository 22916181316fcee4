"""Does picking pay? A part of ``benchmarks.loop``.

Rendered drives, a third of them hard (weather, as ``train.weather`` makes it, or a camera that is mounted lower, by
turns), are the pool. From it 60 frames are picked
by uncertainty, and 60 at random; each set, with exact labels, fine-tunes the shipped model for the same time; both are
scored on held-out drives, as hard as the pool's, and so is the model that they began with.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.figure import Figure
from edge_segnet.pictures.files import write_image
from edge_segnet.street import Street
from edge_segnet.train.weather import spoiled

HARD = 3
"""Every third drive."""
LOW_M = 0.5
"""Height of the camera in every second of them: a robot's, where the model learnt from a car's."""
APART = 30
"""Street frames between two of a drive: a second."""
GAIN_POINTS = 3.0
RATE = "6e-4"
"""A quarter of ``train``'s own, which is for beginners: in a few minutes it would only unlearn."""
SIZE = (480, 360)


@dataclass(frozen=True)
class Budget:
    """How much of everything; ``length``: frames of a drive, ``held_out``: drives that are scored, ``val``: drives by
    which a training chooses its best weights, and nothing else.
    """

    drives: int
    length: int
    frames: int
    minutes: float
    seeds: int
    size: tuple[int, int]
    held_out: int
    val: int


def render(root: Path, first: int, drives: int, length: int, size: tuple[int, int]) -> None:
    """Drives number ``first`` and following."""
    for number in range(first, first + drives):
        low = number % (2 * HARD) == 0
        street = Street(size, 1000 + number, LOW_M) if low else Street(size, 1000 + number)
        for index in range(length):
            picture, labels = street.render(APART * index)
            if number % HARD == 0 and not low:
                picture = spoiled(picture, np.random.default_rng([number, 7]))
            write_image(root / "images" / f"d{number:03d}_{index:04d}.png", picture)
            write_image(root / "labels" / f"d{number:03d}_{index:04d}.png", labels)


def call(*arguments: object) -> dict[str, Any]:
    """A command of the program itself; its JSON document."""
    command = [sys.executable, "-m", "edge_segnet", *map(str, arguments), "--json", "-"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}")
    document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return document


def at_random(pool: Path, out: Path, count: int, seed: int) -> None:
    """As many frames of the pool, each as likely as any."""
    names = sorted(path.name for path in (pool / "images").iterdir())
    for name in np.random.default_rng(seed).choice(names, min(count, len(names)), replace=False):
        copy(pool, out, str(name))


def copy(pool: Path, out: Path, name: str) -> None:
    """A frame with its exact labels."""
    for kind in ("images", "labels"):
        (out / kind).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(pool / kind / name, out / kind / name)


def picked(pool: Path, out: Path, count: int, folder: Path) -> None:
    """By uncertainty; the model's labels in it are replaced by the exact ones, as a person would."""
    document = call("pick", pool / "images", "-n", str(count), "-o", folder / "picked")
    for frame in document["frames"]:
        copy(pool, out, Path(frame["file"]).name)


def fine_tuned(data: Path, val: Path, out: Path, budget: Budget, seed: int) -> float:
    """Train on it, and score it on what nobody has seen: mean IoU in percent."""
    size = f"{budget.size[0]}x{budget.size[1]}"
    recipe = f"--init segnet-lite --rate {RATE} --size {size} --minutes {budget.minutes} --seed {seed} --validations 2"
    folders = ["--images", data / "images", "--labels", data / "labels"]
    call("train", *folders, "--val-images", val / "images", "--val-labels", val / "labels", *recipe.split(), "-o", out)
    return score(out, val.parent / "held-out", budget.size)


def score(model: Path | str, data: Path, size: tuple[int, int]) -> float:
    flags = ["-m", model, "--size", f"{size[0]}x{size[1]}"]
    found = call("evaluate", "--images", data / "images", "--labels", data / "labels", *flags)
    return 100 * float(found["mean_iou"])


def run(folder: Path, budget: Budget) -> list[Figure]:
    """Once around for each seed and each way to choose."""
    render(folder / "pool", 0, budget.drives, budget.length, budget.size)
    render(folder / "val", 500, budget.val, budget.length, budget.size)
    render(folder / "held-out", 900, budget.held_out, budget.length, budget.size)
    before = score("segnet-lite", folder / "held-out", budget.size)
    picked(folder / "pool", folder / "by-uncertainty", budget.frames, folder)
    gains: dict[str, list[float]] = {"picked": [], "random": []}
    for seed in range(budget.seeds):
        at_random(folder / "pool", folder / f"random-{seed}", budget.frames, seed)
        for way, data in (("picked", folder / "by-uncertainty"), ("random", folder / f"random-{seed}")):
            after = fine_tuned(data, folder / "val", folder / f"{way}-{seed}.onnx", budget, seed)
            gains[way].append(after - before)
            print(f"seed {seed}, {way}: {before:.2f} -> {after:.2f}", file=sys.stderr, flush=True)  # noqa: T201
    ahead = [ours - theirs for ours, theirs in zip(gains["picked"], gains["random"], strict=True)]
    return [
        Figure("mean IoU before", before, "%"),
        Figure("gain by picked frames", mean(gains["picked"]), "points", GAIN_POINTS, ">="),
        Figure("gain by random frames", mean(gains["random"]), "points"),
        Figure("picked over random, mean", mean(ahead), "points", 0.0, ">="),
        Figure("picked over random, worst seed", min(ahead), "points", 0.0, ">="),
    ]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those that ``budget_of`` reads."""
    for name, value in (("drives", 20), ("length", 30), ("frames", 60), ("seeds", 3), ("held-out", 6), ("val", 3)):
        parser.add_argument(f"--{name}", type=int, default=value, metavar="N")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--size", type=int, nargs=2, default=SIZE, metavar=("W", "H"))


def budget_of(told: argparse.Namespace) -> Budget:
    """From the options."""
    given = {field.name: getattr(told, field.name) for field in fields(Budget)}
    return Budget(**{**given, "size": tuple(told.size)})
