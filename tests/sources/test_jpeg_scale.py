"""A JPEG is decoded no larger than the network needs: by libjpeg's own scaling, never below the network's size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.capture import NETWORK, SOURCE, camera_jpeg
from edge_segnet.pictures import jpeg
from edge_segnet.pictures.shape import fit_image
from edge_segnet.sources.jpeg_pictures import JpegPictures
from edge_segnet.sources.live import FrameFormat, Terms


@pytest.mark.parametrize(
    ("size", "flag"),
    [
        ((480, 360), cv2.IMREAD_REDUCED_COLOR_2),
        ((960, 540), cv2.IMREAD_REDUCED_COLOR_2),
        ((961, 540), cv2.IMREAD_COLOR),
        ((480, 270), cv2.IMREAD_REDUCED_COLOR_4),
        ((240, 135), cv2.IMREAD_REDUCED_COLOR_8),
        ((1920, 1200), cv2.IMREAD_COLOR),
    ],
)
def test_the_scale(size: tuple[int, int], flag: int) -> None:
    assert jpeg.flags_for(SOURCE, size) == flag | cv2.IMREAD_IGNORE_ORIENTATION


def test_it_shows_what_the_whole_picture_shows() -> None:
    data = camera_jpeg()
    made = JpegPictures(Terms()).picture(data, FrameFormat(NETWORK, "stretch", "none", "front"))
    assert made is not None and made[0].shape == (360, 480, 3) and made[1:] == (SOURCE, True, 0)
    whole, _ = jpeg.decode(data)
    assert whole is not None
    difference = np.abs(made[0].astype(int) - fit_image(whole, NETWORK))
    assert difference.mean() < 4
