"""Free distance: rows by counting, metres against rendered geometry and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_segnet.scene.ground import FAR_M, CameraGeometry, Sectors, bearing_deg, distance_m
from edge_segnet.settings.regions import MountConfig

LEVEL = MountConfig(height_m=1.5, focal_px=500)


def test_level_camera_by_similar_triangles() -> None:
    # height / distance = rows below the horizon / focal length
    assert distance_m(LEVEL, 0.0, 50 / 500) == pytest.approx(15.0)
    assert distance_m(LEVEL, 0.0, 250 / 500) == pytest.approx(3.0)
    assert distance_m(LEVEL, 0.0, 0.0) == FAR_M and distance_m(LEVEL, 0.0, -0.1) == FAR_M
    assert distance_m(LEVEL, 0.0, 1e-4) == FAR_M


def test_straight_down_and_at_45_degrees() -> None:
    down = MountConfig(height_m=2.0, focal_px=500, pitch_deg=90)
    assert distance_m(down, 0.0, 0.0) == pytest.approx(0.0, abs=1e-9)
    assert distance_m(down, 0.5, 0.0) == pytest.approx(1.0)
    half = MountConfig(height_m=2.0, focal_px=500, pitch_deg=45)
    assert distance_m(half, 0.0, 0.0) == pytest.approx(2.0)


@pytest.mark.parametrize("pitch", [-10.0, 0.0, 8.0, 30.0])
@pytest.mark.parametrize("ground", [(0.0, 4.0), (1.5, 6.0), (-3.0, 12.0), (-0.5, 2.0)])
def test_a_point_on_the_ground_is_found_again(pitch: float, ground: tuple[float, float]) -> None:
    mount = MountConfig(height_m=1.2, focal_px=500, pitch_deg=pitch)
    across, ahead = ground
    angle = math.radians(pitch)
    # The camera's axes in the world: down and forward, turned by the pitch.
    depth = ahead * math.cos(angle) + 1.2 * math.sin(angle)
    below = 1.2 * math.cos(angle) - ahead * math.sin(angle)
    assert distance_m(mount, across / depth, below / depth) == pytest.approx(math.hypot(across, ahead))


def test_bearings_are_those_of_the_horizon() -> None:
    assert bearing_deg(LEVEL, 1.0) == pytest.approx(45.0) and bearing_deg(LEVEL, -1.0) == pytest.approx(-45.0)
    pitched = MountConfig(height_m=1.0, focal_px=500, pitch_deg=60)
    assert bearing_deg(pitched, 1.0) == pytest.approx(math.degrees(math.atan(0.5)))


def test_places_follow_stretching_and_cropping() -> None:
    stretched = CameraGeometry((480, 360), (1920, 1080), "stretch")
    assert stretched.in_focal_lengths(LEVEL, 240, 180) == pytest.approx((0.0, 0.0))
    assert stretched.in_focal_lengths(LEVEL, 480, 360) == pytest.approx((960 / 500, 540 / 500))
    cropped = CameraGeometry((480, 360), (1920, 1080), "crop")  # the middle 1440x1080
    assert cropped.in_focal_lengths(LEVEL, 480, 360) == pytest.approx((720 / 500, 540 / 500))
    off = MountConfig(height_m=1.5, focal_px=500, centre_px=[900.0, 500.0])
    assert stretched.in_focal_lengths(off, 240, 180) == pytest.approx((60 / 500, 40 / 500))


VIEW = CameraGeometry((40, 30), (40, 30), "stretch")


def sectors(count: int = 4, share: float = 0.8, mask: NDArray[np.bool_] | None = None) -> Sectors:
    return Sectors(np.ones((30, 40), np.bool_) if mask is None else mask, 0, 0, count, share)


def test_rows_are_counted_up_to_the_first_that_is_not_free() -> None:
    drivable = np.ones((30, 40), np.uint8)
    drivable[:10, :10] = 0  # sector 0: free up to row 10
    drivable[20, 10:20] = 0  # sector 1: one blocked row hides what lies behind it
    drivable[29, 20:30] = 0  # sector 2: blocked at once
    assert sectors().measure(drivable, VIEW, None).rows == (20, 9, 0, 30)


def test_a_few_pixels_do_not_block_a_stripe() -> None:
    drivable = np.ones((30, 40), np.uint8)
    drivable[15, 0:2] = 0  # 2 of 10
    drivable[15, 10:13] = 0  # 3 of 10
    assert sectors(share=0.8).measure(drivable, VIEW, None).rows == (30, 14, 30, 30)
    assert sectors(share=1.0).measure(drivable, VIEW, None).rows == (14, 14, 30, 30)


def test_a_region_of_any_shape_begins_at_its_own_lower_edge() -> None:
    mask = np.zeros((30, 40), np.bool_)
    mask[5:25, 0:20] = True
    mask[10:30, 20:40] = True
    rows = sectors(2, mask=mask).measure(mask.astype(np.uint8), VIEW, None).rows
    assert rows == (20, 20)
    sliver = mask.copy()
    sliver[:, 20:] = False
    assert sectors(2, mask=sliver).measure(sliver.astype(np.uint8), VIEW, None).rows == (20, 0)


def test_metres_are_those_of_the_first_row_that_is_not_free() -> None:
    mount = MountConfig(height_m=1.5, focal_px=20)
    drivable = np.ones((30, 40), np.uint8)
    drivable[:20] = 0
    drivable[:, 30:] = 0
    free = sectors().measure(drivable, VIEW, mount)
    assert free.rows == (10, 10, 10, 0) and free.metres is not None and free.bearings_deg is not None
    # Row 20 begins 5 pixels below the middle; the sectors' middles are 15, 5, 5, 15 pixels from it.
    assert free.metres[1] == pytest.approx(1.5 / (5 / 20) * math.hypot(1, 5 / 20))
    assert free.metres[3] == pytest.approx(1.5 / (15 / 20) * math.hypot(1, 15 / 20))
    assert free.bearings_deg[2] == pytest.approx(math.degrees(math.atan(5 / 20)))
    open_road = sectors().measure(np.ones((30, 40), np.uint8), VIEW, mount)
    assert open_road.metres == (FAR_M,) * 4 and open_road.rows == (30,) * 4
