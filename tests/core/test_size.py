"""Pictures that the network's proportions squeeze."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_segnet.core.size import in_proportion, squeeze, squeeze_note
from tests.conftest import picture
from tests.support.command import edge_segnet

SIDES = st.integers(64, 4000)


@pytest.mark.parametrize(
    ("seen", "better"), [((1242, 375), (736, 224)), ((375, 1242), (224, 736)), ((1080, 1920), (288, 512))]
)
def test_a_squeezed_picture_gets_a_word_and_a_remedy(seen: tuple[int, int], better: tuple[int, int]) -> None:
    note = squeeze_note(seen, (480, 360))
    assert f"{seen[0]}x{seen[1]} are squeezed into 480x360" in note and f"--size {better[0]}x{better[1]}" in note


def test_usual_proportions_get_none() -> None:
    assert [squeeze_note(seen, (480, 360)) for seen in ((1920, 1080), (640, 480), (1000, 1000))] == [""] * 3


@given(SIDES, SIDES, SIDES, SIDES)
def test_the_remedy_has_no_more_pixels_and_better_proportions(width: int, height: int, seen: int, high: int) -> None:
    network, shown = (max(width, 96), max(height, 96)), (seen, high)
    if squeeze(shown, network) < 1.5 or squeeze(shown, (1, 1)) > 6 or network[0] * network[1] < 150_000:
        return
    better = in_proportion(network, shown)
    assert better[0] % 32 == better[1] % 32 == 0 and min(better) >= 32
    assert better[0] * better[1] <= network[0] * network[1]
    assert squeeze(shown, better) < squeeze(shown, network)


def test_segment_says_it_once(model: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture(330, 100))
    done = edge_segnet("segment", tmp_path / "a.png", tmp_path / "b.png", "-m", model, "--counts")
    assert done.code == 0 and done.err.count("are squeezed into 64x48: try --size") == 1
