"""Names of frames, and the drives they are of."""

from __future__ import annotations

import pytest

from edge_segnet.core.errors import UsageError
from edge_segnet.data.drives import blocks, drives


def test_a_name_without_its_number() -> None:
    stems = ["0006R0_f00930", "0016E5_07959", "front-000123", "r2.drive-7 frame 12", "12", "night"]
    assert drives(stems) == ["0006R0", "0016E5", "front", "r2.drive-7", "", "night"]


def test_a_pattern_of_ones_own() -> None:
    stems = ["a_1_x9", "b_2_y9"]
    assert drives(stems, "^[ab]") == ["a", "b"]
    assert drives(stems, r"_(\d)_") == ["1", "2"]
    with pytest.raises(UsageError, match="does not fit 'b_2_y9'"):
        drives(stems, "a")
    with pytest.raises(UsageError, match="no regular expression"):
        drives(stems, "[")


@pytest.mark.parametrize("count", [1, 3, 10, 101])
def test_stretches_of_neighbours(count: int) -> None:
    found = blocks(count)
    assert found == sorted(found) and len(set(found)) == min(10, count)
    sizes = [found.count(part) for part in set(found)]
    assert max(sizes) - min(sizes) <= 1
