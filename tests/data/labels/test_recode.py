"""Forms and class maps: there and back again without a pixel lost."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11, CAMVID_12, CITYSCAPES_19, ClassMap
from edge_segnet.core.errors import InputError, UsageError
from edge_segnet.data.labels.recode import Form, Reading, plan, recode
from edge_segnet.data.masks import count_colours, read_mask
from edge_segnet.pictures.containers import palette_of
from edge_segnet.pictures.files import read_image, write_image
from tests.conftest import left_in
from tests.data.labels.data import Image
from tests.support.pictures import read_labels


def ids(classes: int, seed: int = 0) -> Image:
    """Blocks of every class and void, uint8 [60,80]."""
    rng = np.random.default_rng(seed)
    return np.asarray(rng.integers(0, classes + 1, (12, 16)).repeat(5, 0).repeat(5, 1), np.uint8)


@pytest.mark.parametrize("classes", [CAMVID_11, CAMVID_12, CITYSCAPES_19], ids=lambda known: known.name)
@pytest.mark.parametrize("form", ["ids", "palette", "colours"])
@pytest.mark.parametrize("void", [None, 255])
def test_every_form_and_back(classes: ClassMap, form: Form, void: int | None, tmp_path: Path) -> None:
    before = ids(len(classes))
    before = np.where(before == len(classes), void or len(classes), before).astype(np.uint8)
    write_image(tmp_path / "a.png", before)
    recode(tmp_path / "a.png", tmp_path / "b.png", plan(classes, classes, void=void, target_void=void, form=form))
    there = read_mask(tmp_path / "b.png")
    assert there.kind == form
    reading: Reading = "colours" if form == "palette" else "auto"
    recode(tmp_path / "b.png", tmp_path / "c.png", plan(classes, classes, void=void, target_void=void, reading=reading))
    np.testing.assert_array_equal(read_labels(tmp_path / "c.png"), before)


def test_a_palette_png_keeps_ids_in_its_pixels_and_colours_for_viewers(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", ids(11))
    recode(tmp_path / "a.png", tmp_path / "b.png", plan(CAMVID_11, CAMVID_11, form="palette"))
    np.testing.assert_array_equal(read_labels(tmp_path / "b.png"), ids(11))
    shown = read_image(tmp_path / "b.png")
    np.testing.assert_array_equal(shown, CAMVID_11.lut_bgr[ids(11)])
    assert (
        palette_of((tmp_path / "b.png").read_bytes()) == np.array([*CAMVID_11.colours, (0, 0, 0)], np.uint8).tobytes()
    )


def test_12_to_11_merges_road_marking_by_name_and_back_reorders(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", ids(12))
    recode(tmp_path / "a.png", tmp_path / "b.png", plan(CAMVID_12, CAMVID_11, merge={"road_marking": "road"}))
    wanted = np.array([0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11], np.uint8)[ids(12)]
    np.testing.assert_array_equal(read_labels(tmp_path / "b.png"), wanted)
    recode(tmp_path / "b.png", tmp_path / "c.png", plan(CAMVID_11, CAMVID_12))
    back = np.array([0, 1, 2, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12], np.uint8)[ids(12)]
    np.testing.assert_array_equal(read_labels(tmp_path / "c.png"), back)


def test_drop_makes_void(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", ids(12))
    recoding = plan(CAMVID_12, CAMVID_11, drop=["Road_marking"], target_void=255)
    recode(tmp_path / "a.png", tmp_path / "b.png", recoding)
    got = read_labels(tmp_path / "b.png")
    np.testing.assert_array_equal(got == 255, (ids(12) == 3) | (ids(12) == 12))


def test_a_class_without_a_place_is_named_with_what_to_say() -> None:
    with pytest.raises(UsageError, match=r"no class for Road_marking: .*--merge Road_marking=NAME"):
        plan(CAMVID_12, CAMVID_11)
    with pytest.raises(UsageError, match="has no class 'Moon'"):
        plan(CAMVID_12, CAMVID_11, merge={"Moon": "Road"})
    with pytest.raises(UsageError, match="has no class 'Street'"):
        plan(CAMVID_12, CAMVID_11, merge={"Road_marking": "Street"})
    with pytest.raises(UsageError, match="--to-void 3 is a class"):
        plan(CAMVID_11, CAMVID_11, target_void=3)


def test_colours_that_two_classes_share_can_not_be_turned_back() -> None:
    with pytest.warns(UserWarning, match="share the colour"):
        twins = ClassMap("twins", ("a", "b"), ((1, 2, 3), (1, 2, 3)))
    with pytest.raises(UsageError, match="a and b share the colour"):
        plan(twins, twins, form="colours")
    black = ClassMap("black", ("a",), ((0, 0, 0),))
    with pytest.raises(UsageError, match="a and void share"):
        plan(black, black, form="colours")


@pytest.mark.parametrize("form", ["ids", "colours"])
def test_what_is_no_class_is_an_error_with_its_place_and_nothing_is_written(form: Form, tmp_path: Path) -> None:
    labels = ids(11)
    picture = CAMVID_11.lut_bgr[labels] if form == "colours" else labels
    picture[7, 30] = 99
    write_image(tmp_path / "a.png", picture)
    with pytest.raises(InputError, match=r"x=30, y=7 is no class of camvid-11 \(1 such pixels\)"):
        recode(tmp_path / "a.png", tmp_path / "b.png", plan(CAMVID_11, CAMVID_11))
    assert left_in(tmp_path) == ["a.png"]


def test_masks_are_read_as_they_are_stored(tmp_path: Path) -> None:
    grey = ids(5)
    write_image(tmp_path / "three.png", np.repeat(grey[..., None], 3, axis=2))
    mask = read_mask(tmp_path / "three.png")
    assert (mask.kind, mask.stored) == ("ids", "8-bit RGB, all grey")
    np.testing.assert_array_equal(mask.pixels, grey)
    cv2.imwrite(str(tmp_path / "deep.png"), grey.astype(np.uint16))
    assert read_mask(tmp_path / "deep.png").stored == "16-bit grey"
    cv2.imwrite(str(tmp_path / "deep.png"), grey.astype(np.uint16) * 300)
    with pytest.raises(InputError, match="label values up to"):
        read_mask(tmp_path / "deep.png")


def test_colours_are_counted_exactly() -> None:
    rgb = CAMVID_11.lut_rgb[ids(11)]
    counts = count_colours(rgb)
    assert sum(counts.values()) == 4800
    for colour, count in counts.items():
        assert count == int((rgb == colour).all(axis=2).sum())
