"""What a frame costs between camera and network: one conversion, and one copy at network size at most."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from edge_segnet.core.types import Image
from edge_segnet.core.uris import FLIPS, Flip, parse
from edge_segnet.pictures.shape import fit_image, flip_image
from edge_segnet.sources import opencv_camera
from edge_segnet.sources.drawn import draw
from edge_segnet.sources.live import FrameFormat, Terms
from tests.conftest import picture
from tests.sources.test_child_source import SIZE, first, opened
from tests.support.mjpeg_camera import MjpegCamera, jpeg


def wish(flip: Flip = "none") -> FrameFormat:
    return FrameFormat(SIZE, "stretch", flip, "front")


@pytest.mark.parametrize("flip", FLIPS)
@pytest.mark.parametrize("size", [(128, 96), (96, 128), SIZE, (200, 130)])
def test_it_is_drawn_where_the_frame_shall_be(flip: Flip, size: tuple[int, int]) -> None:
    source, canvas = picture(*size), np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    drawn = draw(source, wish(flip), lambda _: canvas)
    assert drawn.image is canvas and not canvas.flags.writeable
    wanted = fit_image(flip_image(source, flip), SIZE).astype(int)
    assert np.abs(canvas.astype(int) - wanted).max() <= 1, "turned last or first"
    assert drawn.copies == (0 if flip == "none" and size != SIZE else 1)


def test_a_fourth_byte_is_left_out_on_the_way() -> None:
    source = picture(*SIZE)
    padded = np.dstack([source, np.full(SIZE[::-1], 7, np.uint8)])
    drawn = draw(padded, wish(), lambda _: None)
    assert np.array_equal(drawn.image, source) and drawn.copies == 1


def test_what_is_drawn_is_in_memory_of_its_own() -> None:
    source = picture(*SIZE)
    drawn = draw(source, wish(), lambda _: None)
    assert not np.shares_memory(drawn.image, source) and np.array_equal(drawn.image, source)


@pytest.mark.parametrize("flip", ["none", "rotate-90", "horizontal"])
def test_mjpeg_through_a_child_process(flip: Flip) -> None:
    with MjpegCamera() as camera, closing(opened(camera.url, flip)) as source:
        frame = first(source)
        assert frame.conversions == 1 and frame.copies == (0 if flip == "none" else 1)


def test_a_slot_that_had_to_be_free_again_was_copied() -> None:
    """Who keeps pictures pays for it, and sees it."""
    with MjpegCamera(fps=100.0) as camera, closing(opened(camera.url)) as source:
        kept = [first(source) for _ in range(7)]
    assert [frame.copies for frame in kept] == [0, 0, 0, 0, 0, 1, 1]


class Capture:
    """A USB camera in OpenCV, raw or JPEG."""

    def __init__(self, shown: Image, *, compressed: bool) -> None:
        self.shown = np.frombuffer(jpeg(shown), np.uint8) if compressed else shown

    def grab(self) -> bool:
        return True

    def retrieve(self) -> tuple[bool, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
        return True, self.shown

    def get(self, _: int) -> float:
        return 0.0

    def release(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("size", "flip", "copies"), [((150, 110), "none", 0), (SIZE, "none", 1), ((150, 110), "vertical", 1)]
)
def test_usb_through_opencv(
    monkeypatch: pytest.MonkeyPatch, compressed: bool, size: tuple[int, int], flip: Flip, copies: int
) -> None:
    monkeypatch.setattr(opencv_camera, "open_usb", lambda _: Capture(picture(*size), compressed=compressed))
    monkeypatch.setattr(opencv_camera, "gives_jpeg", lambda _: compressed)
    canvas = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    camera = opencv_camera.OpenCvCamera(parse("0"), Terms(), wish(flip), place=lambda _: canvas)
    frame = camera.read(1.0)
    assert frame is not None and frame.image is canvas and (frame.conversions, frame.copies) == (1, copies)
