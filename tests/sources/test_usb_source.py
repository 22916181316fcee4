"""A USB camera for commands: the newest frame, and no half ones. The capture is a double; there is no camera here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from edge_segnet.core.errors import BadFrame, SourceLost
from edge_segnet.core.uris import parse
from edge_segnet.sources import opencv
from edge_segnet.sources.opencv import UsbSource
from tests.support.mjpeg_camera import jpeg


class Capture:
    """A camera at 100 frames a second, whose driver keeps four; ``ends``: after so many."""

    def __init__(self, *, compressed: bool = False, ends: int = 10_000) -> None:
        self.compressed, self.ends = compressed, ends
        self.number = 0
        self.released = threading.Event()

    def grab(self) -> bool:
        time.sleep(0.01)
        self.number += 1
        return self.number <= self.ends

    def retrieve(self) -> tuple[bool, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
        picture = np.full((48, 64, 3), self.number % 250, np.uint8)
        if not self.compressed:
            return True, picture
        noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3)).astype(np.uint8)
        data = jpeg(noise)
        return True, np.frombuffer(data[: len(data) // 3] + b"\xff\xd9", np.uint8)

    def get(self, _: int) -> float:
        return 0.0

    def release(self) -> None:
        self.released.set()


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Capture]:
    made = Capture(**getattr(request, "param", {}))
    monkeypatch.setattr(opencv, "open_usb", lambda _: made)
    monkeypatch.setattr(opencv, "gives_jpeg", lambda _: made.compressed)
    yield made
    assert made.released.is_set()


def test_what_comes_is_what_is_seen_now(capture: Capture) -> None:
    with closing(UsbSource(parse("0"), (64, 48))) as source:
        for _ in range(3):
            time.sleep(0.2)  # a slow network: twenty frames
            frame = source.read()
            assert abs(int(frame.image[0, 0, 0]) - capture.number % 250) <= 2
            assert time.monotonic_ns() - frame.captured_ns < 150e6
    assert frame.seq > 30, "the gap tells what was not looked at"


@pytest.mark.parametrize("capture", [{"compressed": True}], indirect=True)
def test_half_a_jpeg_is_a_bad_frame(capture: Capture) -> None:
    with closing(UsbSource(parse("0"), (64, 48))) as source, pytest.raises(BadFrame, match=r"damaged|too little data"):
        source.read()
    assert capture.compressed


@pytest.mark.parametrize("capture", [{"ends": 5}], indirect=True)
def test_it_is_pulled_out(capture: Capture) -> None:
    with closing(UsbSource(parse("0"), (64, 48))) as source, pytest.raises(SourceLost, match="is it still plugged in"):
        while True:
            source.read()
    assert capture.number == 6
