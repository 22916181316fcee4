"""What viewers of the video see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import View
from edge_segnet.sinks.rtsp.picture import notice, overlay
from tests.support.halves import halves


@pytest.mark.parametrize(
    ("size", "source", "fit", "seen"),
    [
        ((160, 120), (1280, 720), "stretch", (212, 120)),
        ((160, 120), (720, 1280), "stretch", (160, 284)),
        ((160, 120), (1280, 720), "crop", (160, 120)),
        ((161, 121), (161, 121), "stretch", (160, 120)),
        ((160, 120), (16000, 16), "stretch", (1920, 16)),
    ],
)
def test_the_cameras_proportions(
    size: tuple[int, int], source: tuple[int, int], fit: Any, seen: tuple[int, int]
) -> None:
    picture = overlay(replace(halves(size, scaled_from=source), view=View(CAMVID_11, fit)))
    assert picture.shape[1::-1] == seen


def test_a_synthetic_picture_says_so() -> None:
    real, made = (overlay(halves((320, 240), synthetic=synthetic)) for synthetic in (False, True))
    assert not np.array_equal(real[:40], made[:40])
    assert np.array_equal(real[60:], made[60:])


def test_a_long_message_stays_in_the_picture() -> None:
    picture = notice(halves((320, 240)), "front: lost", "tür " * 200)
    assert picture.shape == (240, 320, 3)
    assert (picture[:, -4:] < 60).all()
