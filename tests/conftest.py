"""Fixtures: a tiny model, pictures and videos, all made on the spot."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each of several workers wants one processor; BLAS's and torch's threads would wait for work by spinning on all.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import cv2
import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from tests.support import calls, readers
from tests.support.command import FORKSERVER
from tests.support.models import save_tiny

settings.register_profile("calm", deadline=None)  # a busy machine is no failure
settings.load_profile("calm")
# Every program that a test starts would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
calls.watch()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What pytest itself called before is no test's."""
    calls.taken()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """What a test called goes with its last report, over to the process that collects reports."""
    try:
        yield
    finally:
        if called := calls.taken():
            item.user_properties.append((calls.KEY, ",".join(called)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--calling", action="store_true", help="only tests that called other programs when they ran last")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("calling"):
        calls.only_calling(config, items)


def pytest_configure(config: pytest.Config) -> None:
    """Only the process that collects the reports of all keeps notes, and not where programs are missing."""
    if not hasattr(config, "workerinput") and not config.getoption("calling"):
        config.pluginmanager.register(calls.Notes(config), "calls")


def picture(width: int = 80, height: int = 60, seed: int = 0) -> NDArray[np.uint8]:
    """Soft coloured blobs, uint8 [H,W,3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (max(2, height // 12), max(2, width // 12), 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def write_video(path: Path, frames: int = 12, fps: float = 25.0, size: tuple[int, int] = (80, 60)) -> Path:
    """A video of blobs."""
    code = "MJPG" if path.suffix == ".avi" else "mp4v"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), fps, size)
    assert writer.isOpened()
    for seq in range(frames):
        writer.write(picture(*size, seed=seq))
    writer.release()
    return path


def read_video(path: Path) -> tuple[list[NDArray[np.uint8]], float]:
    """Every frame, and the frame rate."""
    capture = cv2.VideoCapture(str(path))
    fps = capture.get(cv2.CAP_PROP_FPS)
    frames = []
    while True:
        good, frame = capture.read()
        if not good:
            break
        frames.append(np.asarray(frame, np.uint8))
    capture.release()
    return frames, fps


def left_in(folder: Path) -> list[str]:
    """Names of what a folder holds, to show that nothing was left behind."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="session", autouse=True)
def _state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Services that tests run keep state and caches in folders of this run, and of this worker of it."""
    for name in ("STATE_DIRECTORY", "CACHE_DIRECTORY"):
        os.environ[name] = str(tmp_path_factory.mktemp(name.partition("_")[0].lower()))


@pytest.fixture(scope="session", autouse=True)
def _readers() -> None:
    """Models are read by processes that need not start first."""
    readers.serve(FORKSERVER)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file: 64x48, CamVid-11."""
    return save_tiny(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A run in the background ignores Ctrl-C, one under nohup a hang-up, and so would every program that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of 80x60 pixels."""
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), picture())
    return path


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder with pictures of three formats and sizes."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for seq, (name, size) in enumerate({"a.png": (80, 60), "b.jpg": (81, 61), "c.webp": (64, 48)}.items()):
        cv2.imwrite(str(folder / name), picture(*size, seed=seq))
    return folder


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """12 frames of 80x60 at 25 frames/s."""
    return write_video(tmp_path / "drive.mp4")
