"""The one drawing: what every sink and command shows of a result."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Fit, Frame, Image, Result, View
from edge_segnet.pictures.overlay import Extent, RenderStyle, blend, colourise, render
from edge_segnet.pictures.shape import fit_image, unfit_labels
from edge_segnet.settings.regions import RegionConfig
from tests.support.service import segmented

SOURCE, NETWORK = (160, 90), (40, 30)
ROAD, SKY = CAMVID_11.index("Road"), CAMVID_11.index("Sky")
AHEAD = RegionConfig(polygon=[[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]])


def scene() -> Image:
    """Grey, with a bright middle that is exactly what ``crop`` sees."""
    picture = np.full((90, 160, 3), 60, np.uint8)
    picture[:, 20:140] = 200
    return picture


def result_of(fit: Fit, *, whole: bool) -> Result:
    """Road on the left half of what the network saw, sky on the right."""
    image = fit_image(scene(), NETWORK, fit)
    labels = np.full((30, 40), ROAD, np.uint8)
    labels[:, 20:] = SKY
    frame = Frame(image, scene() if whole else None, 1, 1, 1.0, "front", scaled_from=SOURCE)
    return segmented(frame, labels, view=View(CAMVID_11, fit, regions={"ahead": AHEAD}))


def half(picture: Image, ids: Image) -> Image:
    return blend(picture, colourise(ids, CAMVID_11.lut_bgr), 0.5)


def test_shown_has_the_cameras_proportions_or_is_what_crop_saw() -> None:
    stretched, cut = result_of("stretch", whole=False), result_of("crop", whole=False)
    assert render(stretched, RenderStyle()).shape == (30, 53, 3)
    assert np.array_equal(render(cut, RenderStyle()), half(cut.frame.image, cut.segmentation.labels))
    assert render(cut, RenderStyle("mask")).shape == render(cut, RenderStyle("camera")).shape == (30, 40, 3)
    assert render(stretched, RenderStyle(size=(64, 32))).shape == (32, 64, 3)


def test_network_is_as_the_network_saw_it() -> None:
    result = result_of("stretch", whole=True)
    style = RenderStyle(size="network")
    assert np.array_equal(render(result, style), half(result.frame.image, result.segmentation.labels))
    assert np.array_equal(render(result, replace(style, visual="labels")), result.segmentation.labels)


def test_margins_are_numbers_and_black_where_nothing_is_known() -> None:
    result = result_of("crop", whole=True)
    margins = np.arange(1200, dtype=np.uint16).reshape(30, 40).astype(np.uint8)
    sure = replace(result, segmentation=replace(result.segmentation, margins=margins))
    assert np.array_equal(render(sure, RenderStyle("margin", "network")), margins)
    whole = render(sure, RenderStyle("margin", "source", legend=True))
    assert whole.shape == (90, 160) and not whole[:, :19].any() and whole[:, 21:139].any()
    assert not render(result, RenderStyle("margin", "network")).any()


@pytest.mark.parametrize("whole", [True, False], ids=["with the whole picture", "without"])
@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_at_the_sources_size_picture_and_colours_lie_on_each_other(fit: Fit, whole: bool) -> None:
    result = result_of(fit, whole=whole)
    ids = unfit_labels(result.segmentation.labels, SOURCE, CAMVID_11.void, fit)
    assert np.array_equal(render(result, RenderStyle("labels", "source")), ids)
    camera = render(result, RenderStyle("camera", "source"))
    overlay = render(result, RenderStyle("overlay", "source"))
    assert camera.shape == overlay.shape == (90, 160, 3)
    assert np.array_equal(overlay, half(camera, ids))
    # The bright middle is where it was, not stretched to the edges; beyond it crop alone saw nothing.
    beyond = 0 if fit == "crop" and not whole else 60
    assert (camera[:, 30:130] == 200).all() and np.abs(camera[:, :15].astype(int) - beyond).max() <= 1
    assert (ids[:, :18] == (CAMVID_11.void if fit == "crop" else ROAD)).all()


@pytest.mark.parametrize(("fit", "left", "right"), [("stretch", 40, 120), ("crop", 50, 110)])
def test_outlines_are_where_the_region_is(fit: Fit, left: int, right: int) -> None:
    style = RenderStyle("camera", "source", outlines=("ahead",))
    drawn = render(replace(result_of(fit, whole=True)), style)
    row = drawn[45].astype(int) - scene()[45]
    touched = np.flatnonzero(np.abs(row).sum(axis=1) > 60)
    assert abs(touched.min() - left) <= 3 and abs(touched.max() - right) <= 3


def test_nothing_that_others_read_is_drawn_on() -> None:
    result = result_of("crop", whole=True)
    for array in (result.frame.image, result.frame.original, result.segmentation.labels):
        assert array is not None
        array.setflags(write=False)
    before = result.frame.image.copy()
    for visual in ("overlay", "mask", "camera"):
        for size in ("shown", "network", "source"):
            render(result, RenderStyle(visual, size, outlines=("ahead",)))
    assert np.array_equal(result.frame.image, before)


def test_the_legend_tells_the_shares() -> None:
    result = result_of("stretch", whole=True)
    plain, told = (render(result, RenderStyle(size="source", legend=legend)) for legend in (False, True))
    assert told.shape[1] > plain.shape[1] and np.array_equal(told[: plain.shape[0], : plain.shape[1]], plain)


def test_there_is_one_place_that_draws() -> None:
    """Colours are laid over a picture in one file; all others ask it."""
    package = Path(__file__).parent.parent.parent / "edge_segnet"
    blends = [path for path in package.rglob("*.py") if re.search(r"\b(blend|addWeighted)\(", path.read_text())]
    assert [path.relative_to(package).as_posix() for path in blends if not {"street", "train"} & {*path.parts}] == [
        "pictures/overlay.py"
    ]


@pytest.mark.parametrize("size", ["shown", "network", "source"])
def test_what_is_drawn_of_a_picture_that_is_not_whole_says_so(size: Extent) -> None:
    result = result_of("stretch", whole=True)
    flagged = replace(result, frame=replace(result.frame, whole=False))
    for visual in ("overlay", "mask"):
        well, marked = (render(one, RenderStyle(visual, size)) for one in (result, flagged))
        edge = (marked != well).any(2)
        assert edge[[0, -1]].all() and edge[:, [0, -1]].all(), "a red edge"
        assert (marked[0, :, 2] > 200).all() and edge[len(edge) // 2 :].sum() > edge[: len(edge) // 2].sum(), "a word"
    for data in ("camera", "labels"):
        assert np.array_equal(render(flagged, RenderStyle(data, size)), render(result, RenderStyle(data, size)))
