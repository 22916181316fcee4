"""Class maps: the tables, palettes in and out, YAML, and what is refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edge_segnet.cli.common import read_classes
from edge_segnet.core.classes import (
    CAMVID_11,
    CAMVID_12,
    CITYSCAPES_19,
    CLASS_MAPS,
    VOID_OUTPUTS,
    ClassMap,
    from_dict,
    from_lut,
)
from edge_segnet.core.errors import InputError, ModelError, UsageError
from edge_segnet.pictures.files import read_lut
from edge_segnet.pictures.palettes import recoloured
from tests.support.pictures import write_lut

Colours = st.tuples(*[st.integers(0, 255)] * 3)


def test_camvid_tables() -> None:
    assert CAMVID_11.names == (
        *("Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian"),
        "Bicyclist",
    )
    assert CAMVID_12.names == (*CAMVID_11.names[:3], "Road_marking", *CAMVID_11.names[3:])
    assert (CAMVID_11.void, CAMVID_12.void) == (11, 12)
    # SegNet-Tutorial, Scripts/test_segmentation_camvid.py.
    tutorial = [
        *((128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0)),
        *((192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192)),
    ]
    assert list(CAMVID_11.colours) == tutorial
    assert CAMVID_12.colours[3] == (255, 69, 0)


def test_cityscapes_table() -> None:
    assert len(CITYSCAPES_19) == CITYSCAPES_19.void == 19
    assert (CITYSCAPES_19.names[0], CITYSCAPES_19.names[18]) == ("road", "bicycle")
    assert CITYSCAPES_19.colours[CITYSCAPES_19.index("car")] == (0, 0, 142)
    assert len(set(CITYSCAPES_19.colours)) == 19


def test_the_lookup_table_is_bgr_with_void_behind() -> None:
    lut = CAMVID_11.lut_bgr
    assert lut.shape == (256, 3) and lut.dtype == np.uint8 and not lut.flags.writeable
    assert lut[1].tolist() == [0, 0, 128] and CAMVID_11.lut_rgb[1].tolist() == [128, 0, 0]
    assert not lut[11:].any()
    violet = ClassMap("v", ("a",), ((1, 2, 3),), void_colour=(9, 8, 7))
    assert (violet.lut_bgr[1:] == [7, 8, 9]).all()


@pytest.mark.parametrize("known", CLASS_MAPS.values(), ids=str)
def test_a_known_palette_comes_back_with_its_names(known: ClassMap, tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    write_lut(path, known.lut_rgb)
    raw = cv2.imread(str(path))
    assert raw is not None and raw.shape == (1, 256, 3)  # as camvid12.png, which the original reads with cv2.imread
    assert raw[0, : len(known), ::-1].tolist() == [list(colour) for colour in known.colours]
    back = read_classes(str(path))
    assert (back.names, back.colours) == (known.names, known.colours)


@pytest.mark.parametrize("known", CLASS_MAPS.values(), ids=str)
def test_red_and_blue_swapped_is_noticed_and_put_right(known: ClassMap, tmp_path: Path) -> None:
    path = tmp_path / "swapped.png"
    write_lut(path, known.lut_rgb[:, ::-1])
    with pytest.warns(UserWarning, match=f"swapped: {known.name}'s palette with red and blue swapped"):
        back = read_classes(str(path))
    assert (back.names, back.colours) == (known.names, known.colours)


@given(st.lists(Colours.filter(any), min_size=1, max_size=255, unique=True))
def test_any_palette_survives_the_round_trip(colours: list[tuple[int, int, int]]) -> None:
    classes = ClassMap("mine", tuple(f"n{index}" for index in range(len(colours))), tuple(colours))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        back = from_lut(classes.lut_rgb, classes.names, "mine")
    assert back == classes


def test_a_palette_lying_down_or_standing(tmp_path: Path) -> None:
    for name, shape in (("wide.png", (1, 256, 3)), ("tall.png", (256, 1, 3))):
        cv2.imwrite(str(tmp_path / name), CAMVID_12.lut_bgr.reshape(shape))
        assert np.array_equal(read_lut(tmp_path / name), CAMVID_12.lut_rgb)


def test_unknown_palettes_get_numbers_for_names() -> None:
    lut = np.zeros((256, 3), np.uint8)
    lut[:3] = [[1, 2, 3], [0, 0, 0], [7, 8, 9]]
    assert from_lut(lut, None, "x").names == ("class_0", "class_1", "class_2")
    assert from_lut(lut, None, "x", count=3).colours == ((1, 2, 3), (0, 0, 0), (7, 8, 9))
    with pytest.raises(UsageError, match="3 colours for 2 classes"):
        from_lut(lut, ["a", "b"], "x")
    with pytest.raises(UsageError, match="every entry is black"):
        from_lut(np.zeros((256, 3), np.uint8), None, "x")


def test_a_palette_for_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    for classes, other in ((CAMVID_11, CAMVID_12), (CAMVID_12, CAMVID_11), (CAMVID_11, CITYSCAPES_19)):
        write_lut(tmp_path / "other.png", other.lut_rgb)
        with pytest.raises(ModelError, match=f"{len(other)} colours, but the model has {len(classes)} classes"):
            recoloured(classes, tmp_path / "other.png")


@pytest.mark.parametrize(
    ("names", "colours", "says"),
    [
        (("a", "b"), ((1, 2, 3),), "2 names but 1 colours"),
        ((), (), "0 classes: 1 to 255 are possible"),
        (("Road", "Car", "Road"), ((1, 1, 1), (2, 2, 2), (3, 3, 3)), "the name 'Road' stands twice"),
        (("Road", "road"), ((1, 1, 1), (2, 2, 2)), "the name 'road' stands twice"),
        (("Road", "Void"), ((1, 1, 1), (2, 2, 2)), "the name 'Void' is taken by the unlabelled pixels"),
        (("Road", " "), ((1, 1, 1), (2, 2, 2)), "class 1 has no name"),
        (("Road",), ((1, 1, 256),), r"Road has colour \(1, 1, 256\): give three numbers 0 to 255"),
        (("Road",), ((-1, 1, 2),), "Road has colour"),
    ],
)
def test_maps_that_cannot_be(names: tuple[str, ...], colours: tuple[tuple[int, int, int], ...], says: str) -> None:
    with pytest.raises(UsageError, match=f"class map mine: {says}"):
        ClassMap("mine", names, colours)


def test_duplicate_colours_are_a_warning_that_names_them() -> None:
    with pytest.warns(UserWarning, match=r"class map mine: a, c share the colour \[1, 2, 3\]"):
        ClassMap("mine", ("a", "b", "c"), ((1, 2, 3), (4, 5, 6), (1, 2, 3)))


def test_names_are_found_whatever_their_case() -> None:
    assert CAMVID_12.index("road_MARKING") == 3
    with pytest.raises(UsageError, match="camvid-11 has no class 'Road_marking': it has Sky, Building"):
        CAMVID_11.index("Road_marking")


@pytest.mark.parametrize("known", CLASS_MAPS.values(), ids=str)
def test_yaml(known: ClassMap, tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    path.write_text(yaml.safe_dump(known.to_dict()))
    assert read_classes(str(path)) == known
    assert read_classes(known.name) == known


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1, 2]", "not a class map"),
        ("classes: 3", "not a class map"),
        ("classes: []", "0 classes"),
        ("{classes: [], colour: red}", "unknown key 'colour'"),
        ("classes: [{name: a}]", "class 0 needs a 'name'"),
        ("classes: [{name: 1, colour: [1, 2, 3]}]", "class 0 needs a 'name'"),
        ("classes: [{name: a, colour: red}]", r"class 0 \(a\) has colour 'red'"),
        ("classes: [{name: a, colour: [1, 2, 300]}]", "a has colour"),
        ("classes: [{name: a, colour: [1, 2, true]}]", "has colour"),
        ("classes: [{name: a, colour: [1, 2, 3]}, {name: a, colour: [4, 5, 6]}]", "'a' stands twice"),
        ("{classes: [{name: a, colour: [1, 2, 3]}], void_colour: 7}", "void_colour has colour 7"),
        ("a: b: c", "not YAML"),
        ("\x00", "not YAML"),
    ],
)
def test_yaml_that_is_none(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=says) as caught:
        read_classes(str(path))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_class_maps_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--classes camvid-13: no such class map: camvid-11, camvid-12"):
        read_classes("camvid-13")
    with pytest.raises(UsageError, match=r"missing\.yaml: No such file"):
        read_classes(str(tmp_path / "missing.yaml"))
    with pytest.raises(InputError, match=r"missing\.png: No such file"):
        read_classes(str(tmp_path / "missing.png"))


def test_dict_round_trip_keeps_void() -> None:
    mine = ClassMap("mine", ("a", "b"), ((1, 2, 3), (4, 5, 6)), void_colour=(7, 8, 9))
    assert from_dict(mine.to_dict(), "x") == mine


def test_the_maps_that_come_along() -> None:
    assert {name: len(known) for name, known in CLASS_MAPS.items()} == {
        "camvid-11": 11, "camvid-12": 12, "cityscapes-19": 19, "cityscapes-34": 34, "pascal-21": 21, "sun-37": 37,
    }  # fmt: skip
    pascal, sun, label_ids = (CLASS_MAPS[name] for name in ("pascal-21", "sun-37", "cityscapes-34"))
    assert pascal.colours[:4] == ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0))
    assert (pascal.names[15], pascal.colours[15]) == ("person", (192, 128, 128))
    assert pascal.colours[20] == (0, 64, 128) and pascal.void_colour == (224, 224, 192)
    assert (sun.names[0], sun.names[36], VOID_OUTPUTS["sun-37"]) == ("wall", "bag", 0)
    trained = CLASS_MAPS["cityscapes-19"]
    for name, colour in zip(trained.names, trained.colours, strict=True):
        assert label_ids.colours[label_ids.index(name)] == colour
    assert label_ids.index("road") == 7 and label_ids.index("bicycle") == 33
