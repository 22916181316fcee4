"""Cameras that share a GPU: with ``depth: 2`` a second camera's frame is on it while the first one's is."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.backends.tensorrt import Depth, TensorRTBackend
from edge_segnet.core.types import Frame
from edge_segnet.service.turns import Turns
from tests.conftest import picture
from tests.cuda.fake import FakeDriver
from tests.cuda.network import fake_backend
from tests.support.models import tiny_model

FRAMES = 6


class Watched(FakeDriver):
    """Knows how many frames were on it at most. With ``together`` none is waited for before a second one is there."""

    def __init__(self, together: threading.Barrier | None = None) -> None:
        super().__init__(graphs=True)
        self.under_way = self.most = 0
        self.together: threading.Barrier | None = None
        self._later = together
        self._count = threading.Lock()

    def begin(self) -> None:
        """From here on: what came before was the making of the backend."""
        self.together = self._later

    def called(self, name: str) -> None:
        super().called(name)
        if name == "graph":
            with self._count:
                self.under_way += 1
                self.most = max(self.most, self.under_way)
        if name == "wait":
            if self.together is not None:
                self.together.wait(20)
            with self._count:
                self.under_way -= 1


def segment(backend: TensorRTBackend, cameras: list[str]) -> dict[str, list[tuple[int, bool]]]:
    """Each camera's loop: (seq, whether its labels are the CPU's), in the order of its results."""
    turns, cpu = Turns(backend, 0.0), OnnxBackend(tiny_model())

    def loop(camera: str) -> list[tuple[int, bool]]:
        found = []
        for seq in range(FRAMES):
            frame = Frame(picture(64, 48, seq + 10 * len(camera)), None, seq, 0, 0.0, camera)
            turn = turns.segment(frame, lambda: None)
            right = np.array_equal(turn.segmentation.labels, cpu.infer([frame])[0].labels)
            found.append((turn.frame.seq, right))
        return found

    with ThreadPoolExecutor(len(cameras)) as pool:
        return dict(zip(cameras, pool.map(loop, cameras), strict=True))


def opened(depth: Depth, driver: Watched) -> TensorRTBackend:
    backend, _, _ = fake_backend(tiny_model(), driver=driver, depth=depth)
    driver.under_way = driver.most = 0
    driver.begin()
    return backend


def test_two_cameras_are_under_way_at_once_and_each_ones_results_are_in_order() -> None:
    driver = Watched(threading.Barrier(2))
    found = segment(opened(2, driver), ["front", "rear"])
    assert found == {name: [(seq, True) for seq in range(FRAMES)] for name in ("front", "rear")}
    assert driver.most == 2


@pytest.mark.parametrize(("depth", "cameras", "most"), [(1, 3, 1), (2, 1, 1)])
def test_no_frame_waits_on_the_gpu_that_could_be_a_newer_one(depth: Depth, cameras: int, most: int) -> None:
    driver = Watched()
    names = ["a", "bb", "ccc"][:cameras]
    found = segment(opened(depth, driver), names)
    assert found == {name: [(seq, True) for seq in range(FRAMES)] for name in names}
    assert driver.most == most
