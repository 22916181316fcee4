"""The lint of class maps: silent on good ones, in words on each fault that users have met."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_segnet.core.classes import CAMVID_11, CAMVID_12, CITYSCAPES_19, CLASS_MAPS, ClassMap, Colour
from edge_segnet.doctor.palette import lint


def faults(classes: ClassMap) -> str:
    return " | ".join(seen for seen, _ in lint(classes))


PUBLISHED = {
    "cityscapes-34": "unlabeled = ego vehicle #000000",
    "pascal-21": "bus #008080 ~ motorbike #408080",
    "sun-37": "ceiling #00c080 ~ whiteboard #40c080",
}
"""Their makers' colours, kept as they are: what doctor says of them is true."""


@pytest.mark.parametrize("name", CLASS_MAPS)
def test_the_shipped_maps_are_good(name: str) -> None:
    found = faults(CLASS_MAPS[name])
    assert PUBLISHED[name] in found if name in PUBLISHED else found == ""


def test_a_map_of_ones_own_is_good() -> None:
    own = ClassMap("own", ("floor", "wall", "door"), ((0, 200, 0), (200, 0, 0), (0, 0, 200)))
    assert faults(own) == ""
    assert faults(ClassMap("one", ("floor",), ((0, 200, 0),))) == ""


def backwards(colours: tuple[Colour, ...]) -> tuple[Colour, ...]:
    return tuple(colour[::-1] for colour in colours)


@pytest.mark.parametrize("known", [CAMVID_11, CAMVID_12, CITYSCAPES_19], ids=lambda known: known.name)
def test_red_and_blue_swapped(known: ClassMap) -> None:
    assert "red and blue swapped" in faults(replace(known, name="mine", colours=backwards(known.colours)))


def test_eleven_classes_with_the_colours_of_twelve() -> None:
    seen = faults(replace(CAMVID_11, colours=CAMVID_12.colours[:11]))
    assert seen.startswith("8 classes have the colour of the next earlier class in camvid-11: shifted by one")


def test_twelve_classes_with_the_colours_of_eleven() -> None:
    colours = (*CAMVID_11.colours, (1, 254, 1))
    assert "the next later class in camvid-12: shifted by one" in faults(replace(CAMVID_12, colours=colours))


@pytest.mark.filterwarnings("ignore:class map mine")
def test_colours_that_nobody_can_tell_apart() -> None:
    colours = list(CITYSCAPES_19.colours)
    colours[7] = colours[6]
    colours[14] = (2, 0, 140)
    mine = replace(CITYSCAPES_19, name="mine", colours=tuple(colours), void_colour=(250, 170, 30))
    seen = faults(mine)
    assert "same colour: traffic light = traffic sign #faaa1e; traffic light = void #faaa1e" in seen
    assert "nearly the same colour: car #00008e ~ truck #02008c" in seen
    for _, remedy in lint(mine):
        assert "--colours" in remedy
