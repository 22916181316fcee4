"""Does a worse model go by itself, and a good one stay? A part of ``benchmarks.loop``.

The shipped model serves a camera whose frames take it two thirds of the time. Four models are deployed, one after the
other: itself in another file, itself trained on for twenty passes with labels whose classes are exchanged, one that
makes no numbers of the frames from some moment on, and itself at more than twice the pixels.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.figure import Figure
from benchmarks.serving import MemoryCamera, at_work, bare_rate, rendered
from edge_segnet.board.notify import Notifier
from edge_segnet.core.files import plain_name
from edge_segnet.core.types import Fit, Frame, Image, Result
from edge_segnet.graph import card as cards
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.pictures.files import write_image
from edge_segnet.service.life import Daemon
from edge_segnet.service.reload import Origin
from edge_segnet.settings import deployed
from edge_segnet.settings.deployed import Attempt, Request
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sinks.registry import configured
from edge_segnet.street import Street

CANARY_S = 12.0
LOAD = 1.5
"""Of the network's time for a frame, the camera's."""
GREY = 128.0
LARGER = 1.5
EXCHANGED = (("Road", "Building"), ("Car", "Tree"))
WRONG_DRIVES, WRONG_FRAMES = 6, 8
"""Rendered frames with exchanged labels; the first drive's choose the best weights, by exchanged labels, too."""
NEAR = 12
"""Results before a swap that say how many frames are usually passed over."""


@dataclass(frozen=True)
class Seen:
    """One result: its frame's number, when it came, and which generation made it."""

    seq: int
    at_s: float
    generation: int


class Watcher:
    """A sink that notes who made what, and is a lamp's switch: ``white`` makes every later frame white."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.white = False

    def publish(self, result: Result) -> None:
        """Note it."""
        self.seen.append(Seen(result.frame.seq, time.monotonic(), id(result.view)))

    def status(self) -> dict[str, object]:
        """Nothing to say."""
        return {}

    def close(self) -> None:
        """Nothing is held."""

    def whiten(self) -> None:
        """Every later frame is white."""
        self.white = True

    def serves_another(self, first: int) -> bool:
        """Whether the newest result is another generation's."""
        return self.seen[-1].generation != first

    def lost(self) -> int:
        """Most frames that were lost where one generation ends, beyond those that are passed over anyway."""
        most = 0
        for place in range(1, len(self.seen)):
            if self.seen[place].generation != self.seen[place - 1].generation:
                gaps = [self.seen[at].seq - self.seen[at - 1].seq for at in range(max(1, place - NEAR), place + 1)]
                most = max(most, gaps[-1] - max(gaps[:-1], default=1))
        return most

    def served_s(self, first: int) -> float:
        """How long anybody but generation ``first`` served."""
        others = [each.at_s for each in self.seen if each.generation != first]
        return others[-1] - others[0] if others else 0.0


class Camera(MemoryCamera):
    """Its frames turn white when the watcher says so."""

    def __init__(self, images: list[Image], period_s: float, watcher: Watcher) -> None:
        super().__init__(images, period_s)
        self._watcher = watcher

    def read(self, timeout_s: float) -> Frame | None:
        """The next one."""
        frame = super().read(timeout_s)
        if frame is None or not self._watcher.white:
            return frame
        return replace(frame, image=np.maximum(frame.image, np.uint8(200)))


def _changed(model: OnnxModel, what: str) -> OnnxModel:
    """A copy without its calibration, which is of these weights alone."""
    proto, card = onnx.ModelProto(), model.card
    proto.CopyFrom(model.proto)
    told = {**card.provenance, "benchmark": what}
    return cards.attach(
        proto, name=card.name, classes=card.classes, fit=card.fit, licence=card.licence, provenance=told
    )


def _renamed(graph: onnx.GraphProto) -> None:
    """What gave the logits gives ``plain``."""
    for node in graph.node:
        node.output[:] = ["plain" if name == "logits" else name for name in node.output]


def _mistaught(model: OnnxModel, folder: Path) -> OnnxModel:
    """Trained on with wrong labels: roads are called buildings, cars trees, and the other way round."""
    ids = np.arange(256, dtype=np.uint8)
    for one, other in EXCHANGED:
        left, right = (model.card.classes.names.index(name) for name in (one, other))
        ids[[left, right]] = ids[[right, left]]
    for drive in range(WRONG_DRIVES):
        street = Street(model.card.size, 700 + drive)
        for index in range(WRONG_FRAMES):
            picture, labels = street.render(150 * index)
            name = f"d{drive}_{index:03d}.png"
            write_image(folder / "images" / name, picture)
            write_image(folder / "labels" / name, ids[labels])
    data = [f"--images={folder}/images", f"--labels={folder}/labels", "--leave-out=d0_*", f"--init={model.card.name}"]
    recipe = ["--epochs", "20", "--rate", "5e-3", "--encoder-rate", "1", "--crop", "224x160", "--validations", "2"]
    made = folder / "wrong.onnx"
    command = [sys.executable, "-m", "edge_segnet", "train", *data, *recipe, "-o", str(made)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return cards.load(str(made))


def _no_numbers(model: OnnxModel) -> OnnxModel:
    """No numbers where a picture is brighter than grey: the square root of less than nothing."""
    made = _changed(model, "no numbers")
    graph = made.proto.graph
    _renamed(graph)
    one = (1, 1, 1, 1)
    for name, value in (("limit", GREY + 60), ("nought", 0.0)):
        graph.initializer.append(numpy_helper.from_array(np.full(one, value, np.float32), name))
    steps = [
        ("Cast", ["frame"], "as_float", {"to": TensorProto.FLOAT}),
        ("ReduceMean", ["as_float"], "mean", {"keepdims": 1}),
        ("Sub", ["limit", "mean"], "left", {}),
        ("Sqrt", ["left"], "root", {}),
        ("Mul", ["root", "nought"], "extra", {}),
        ("Add", ["plain", "extra"], "logits", {}),
    ]
    graph.node.extend(helper.make_node(kind, given, [made_of], **how) for kind, given, made_of, how in steps)  # type: ignore[arg-type]
    onnx.checker.check_model(made.proto)
    return made


def _larger(model: OnnxModel) -> OnnxModel:
    width, height = (round(side * LARGER / 16) * 16 for side in model.card.size)
    return cards.resized(model, (width, height))


@contextmanager
def _stage(name: str, folder: Path) -> Iterator[Watcher]:
    """A service with a state folder of its own; what it shows."""
    before = os.environ.get("STATE_DIRECTORY")
    os.environ["STATE_DIRECTORY"] = str(folder)
    images, watcher = rendered(name), Watcher()
    period_s = LOAD / bare_rate(name, images, 2.0)
    config = configured(model=name, backend="onnx", http=None, cameras={"memory": {"source": "0"}})

    def opener(_config: CameraConfig, _name: str, _size: tuple[int, int], _fit: Fit) -> Camera:
        return Camera(images, period_s, watcher)

    daemon = Daemon(config, Origin(lambda: config), Notifier({}), {"watcher": watcher}, opener)
    try:
        with at_work(daemon):
            yield watcher
    finally:
        del os.environ["STATE_DIRECTORY"]
        if before is not None:
            os.environ["STATE_DIRECTORY"] = before


def _deploy(model: OnnxModel) -> Attempt:
    data = model.proto.SerializeToString()
    request = Request(hashlib.sha256(data).hexdigest(), model.card.name, CANARY_S)
    deployed.keep(data, request.sha256)
    deployed.ask(request)
    while True:
        for attempt in deployed.read().attempts:
            if attempt.id == request.id:
                return attempt
        time.sleep(0.05)


def _when(condition: Callable[[], bool], act: Callable[[], None]) -> None:
    def wait() -> None:
        while not condition():
            time.sleep(0.005)
        act()

    threading.Thread(target=wait, daemon=True).start()


@dataclass(frozen=True)
class Try:
    """A deployment, and how it should end."""

    name: str
    make: Callable[[OnnxModel, Path], OnnxModel]
    stages: tuple[str, ...] = ("refused", "reverted")
    code: int = 7


TRIES = (
    Try("good", lambda model, _: _changed(model, "good"), ("serving",), 0),
    Try("wrong labels", _mistaught),
    Try("no numbers beside", lambda model, _: _no_numbers(model), ("refused",)),
    Try("no numbers in place", lambda model, _: _no_numbers(model), ("reverted",)),
    Try("slower", lambda model, _: _larger(model)),
)


def run(name: str, folder: Path) -> list[Figure]:
    """About a quarter of a minute each, and less than a minute of training on two idle cores."""
    shipped = cards.load(name)
    figures = []
    for each in TRIES:
        made = each.make(shipped, folder / f"{plain_name(each.name)}-data")
        with _stage(name, folder / plain_name(each.name)) as watcher:
            while len(watcher.seen) < 2 * NEAR:
                time.sleep(0.05)
            first = watcher.seen[0].generation
            if each.name == "no numbers in place":
                _when(partial(watcher.serves_another, first), watcher.whiten)
            watcher.white = each.name == "no numbers beside"
            ended = _deploy(made)
            time.sleep(1.0)
        print(f"  {each.name}: {ended.stage}: {ended.message}", flush=True)  # noqa: T201
        right = ended.stage in each.stages and ended.code == each.code
        figures.append(Figure(f"canary: {each.name}: as it should end", float(right), "", 1.0, ">="))
        if each.code:
            figures.append(Figure(f"canary: {each.name}: served", round(watcher.served_s(first), 2), "s", CANARY_S))
        figures.append(Figure(f"canary: {each.name}: frames lost at swaps", float(watcher.lost()), "frames", 1.0))
    return figures
