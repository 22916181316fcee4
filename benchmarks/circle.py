"""Does picking pay? A part of ``benchmarks.loop``.

Rendered drives, a third of them hard (a camera that is mounted lower, a night with headlights, rain on the lens, by
turns; all of it beyond what the shipped model has learnt), are the pool. From it 60 frames are picked by uncertainty,
and 60 at random; each set, with exact labels, fine-tunes the shipped model for the same time; both are scored on
held-out drives, as hard as the pool's, and so is the model that they began with.
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

import cv2
import numpy as np

from benchmarks.figure import Figure
from edge_segnet.core.types import Image
from edge_segnet.pictures.files import write_image
from edge_segnet.street import Street

HARD = 3
"""Every third drive."""
LOW_M = 0.25
"""Height of the camera in every third of them: a small robot's, where the model learnt from a car's."""
APART = 30
"""Street frames between two of a drive: a second."""
GAIN_POINTS = 3.0
RATE = "1.5e-3"
"""Below ``train``'s own, which is for beginners."""
CROP_SHARE = 0.45
"""Of each side: crops of a quarter of the usual pixels, so that the minutes hold four times the steps."""
SIZE = (480, 360)


@dataclass(frozen=True)
class Budget:
    """How much of everything; ``length``: frames of a drive, ``held_out``: drives that are scored, ``val``: drives (a
    third as long) by which a training chooses its best weights, and nothing else. Nine drives have every difficulty.
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
    """Drives number ``first`` and following, ``length`` frames each."""
    for number in range(first, first + drives):
        kind = (number // HARD) % 3 if number % HARD == 0 else None
        street = Street(size, 1000 + number, LOW_M) if kind == 0 else Street(size, 1000 + number)
        for index in range(length):
            picture, labels = street.render(APART * index)
            rng = np.random.default_rng([number, index])
            picture = by_night(picture, rng) if kind == 1 else in_rain(picture, rng) if kind == 2 else picture
            write_image(root / "images" / f"d{number:03d}_{index:04d}.png", picture)
            write_image(root / "labels" / f"d{number:03d}_{index:04d}.png", labels)


def by_night(picture: Image, rng: np.random.Generator) -> Image:
    """Headlights on the road ahead, next to nothing elsewhere, and a sensor that is noisy then; uint8 [H,W,3]."""
    height, width = picture.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    cone = np.exp(-(((columns / width - 0.5) / 0.28) ** 2) - ((rows / height - 0.72) / 0.2) ** 2)[:, :, None]
    seen = (picture / 255.0) ** 1.4 * (0.05 + 0.6 * cone) * np.array([1.0, 0.95, 0.95])
    return np.asarray(np.clip(255.0 * seen + rng.normal(0.0, 8.0, picture.shape), 0, 255), np.uint8)


def in_rain(picture: Image, rng: np.random.Generator) -> Image:
    """Less contrast, streaks, and drops on the lens through which the street is blurred and upside down."""
    height, width = picture.shape[:2]
    flat = cv2.addWeighted(picture, 0.55, np.full_like(picture, 120), 0.3, 0.0)
    streaks, drops = np.zeros((height, width), np.uint8), np.zeros((height, width), np.float32)
    for x, y in rng.uniform(0, (width, height), (800, 2)):
        cv2.line(streaks, (int(x), int(y)), (int(x) + 3, int(y) + 25), (128,), 1)
    for x, y in rng.uniform(0, (width, height), (30, 2)):
        cv2.circle(drops, (int(x), int(y)), int(rng.uniform(5, 22)), (1.0,), -1)
    wet = cv2.add(flat, cv2.GaussianBlur(streaks, (0, 0), 0.8)[:, :, None].repeat(3, 2))
    drops = np.asarray(cv2.GaussianBlur(drops, (0, 0), 2.0), np.float32)[:, :, None]
    behind = cv2.GaussianBlur(picture[::-1], (0, 0), 5.0)
    return np.asarray(np.clip(wet * (1.0 - drops) + behind * drops, 0, 255), np.uint8)


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
    crop = "x".join(str(max(32, 32 * round(CROP_SHARE * side / 32))) for side in budget.size)
    recipe = f"--init segnet-lite --rate {RATE} --size {size} --crop {crop} --minutes {budget.minutes} --seed {seed}"
    folders = ["--images", data / "images", "--labels", data / "labels"]
    call(
        "train",
        *folders,
        "--val-images",
        val / "images",
        "--val-labels",
        val / "labels",
        *recipe.split(),
        "--validations",
        "2",
        "-o",
        out,
    )
    return score(out, val.parent / "held-out", budget.size)


def score(model: Path | str, data: Path, size: tuple[int, int]) -> float:
    flags = ["-m", model, "--size", f"{size[0]}x{size[1]}"]
    found = call("evaluate", "--images", data / "images", "--labels", data / "labels", *flags)
    return 100 * float(found["mean_iou"])


def run(folder: Path, budget: Budget) -> list[Figure]:
    """Once around for each seed and each way to choose."""
    render(folder / "pool", 0, budget.drives, budget.length, budget.size)
    render(folder / "val", 500, budget.val, max(budget.length // 3, 1), budget.size)
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
    for name, value in (("drives", 20), ("length", 30), ("frames", 60), ("seeds", 3), ("held-out", 9), ("val", 9)):
        parser.add_argument(f"--{name}", type=int, default=value, metavar="N")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--size", type=int, nargs=2, default=SIZE, metavar=("W", "H"))


def budget_of(told: argparse.Namespace) -> Budget:
    """From the options."""
    given = {field.name: getattr(told, field.name) for field in fields(Budget)}
    return Budget(**{**given, "size": tuple(told.size)})
