"""What a network's outputs say of the network itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_segnet.core.errors import ModelError
from edge_segnet.core.soundness import Soundness, require_valid
from edge_segnet.core.types import Frame
from tests.conftest import picture
from tests.support.results import frame_of, segmentation_of


def seen(seq: int) -> Frame:
    """A picture with something in it."""
    return replace(frame_of(seq, size=(64, 48)), image=picture(64, 48, seq))


def test_outputs_that_are_no_numbers_are_not_taken() -> None:
    sound, frame = Soundness(), frame_of(1)
    good = segmentation_of(frame)
    bad = replace(good, broken=7)
    assert [sound.takes(frame, each) for each in (good, bad, bad, good)] == [True, False, False, True]
    assert sound.invalid == 2 and sound.fault == ""
    assert not sound.takes(frame, bad)
    assert sound.fault == "the network's outputs are no numbers in 7 of 768 pixels"
    assert require_valid(good, "m") is good
    with pytest.raises(ModelError, match="m: the network's outputs are no numbers in 7 of 768 pixels"):
        require_valid(bad, "m")


def test_one_class_for_good_is_a_warning_where_pictures_vary() -> None:
    sound = Soundness(3)
    one = segmentation_of(frame_of(0))
    flat = frame_of(0)
    for _ in range(10):
        assert sound.takes(flat, one)
    assert sound.warning == ""  # a wall
    for seq in range(3):
        assert sound.warning == "" and sound.takes(seen(seq), one)
    assert sound.warning == "3 different pictures, and every pixel is Sky: is the model broken?"
    labels = one.labels.copy()
    labels[0, 0] = 1
    counts = np.bincount(labels.ravel(), minlength=len(one.counts)).astype(np.int64)
    assert sound.takes(seen(4), replace(one, labels=labels, counts=counts))
    assert sound.warning == ""
    for seq in range(8):  # the class changes
        assert sound.takes(seen(seq), segmentation_of(frame_of(seq)))
    assert sound.warning == ""
