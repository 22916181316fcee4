"""Power, clocks, temperatures and throttling from a fake sysfs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge_segnet.board.power import PowerMeter, nvmap_mb, read_board
from tests.bench.board import AGX, ORIN, write


def test_an_orin(tmp_path: Path) -> None:
    root = write(tmp_path, ORIN)
    found = read_board(root)
    assert found.temperatures_c == {"cpu-thermal": 48.5, "gpu-thermal": 51.2}
    assert found.clocks_mhz == {"17000000.gpu": 624.8, "cpu0": 1510.4, "cpu1": 729.6}
    assert found.throttle_events == {"oc3_event_cnt": 4}
    assert found.power_mode == "1 (7W)"
    assert nvmap_mb(root) == 512.0


def test_a_machine_without_any_of_it(tmp_path: Path) -> None:
    found = read_board(tmp_path)
    assert (found.temperatures_c, found.clocks_mhz, found.throttle_events, found.power_mode) == ({}, {}, {}, None)
    assert nvmap_mb(tmp_path) is None
    with PowerMeter(tmp_path) as meter:
        pass
    assert meter.energy(10) is None


@pytest.mark.parametrize("text", ["", "unknown", "99999999999999999999999"])
def test_files_that_hold_nonsense(tmp_path: Path, text: str) -> None:
    root = write(tmp_path, ORIN | {"sys/class/thermal/thermal_zone0/temp": text, "var/lib/nvpmodel/status": text})
    found = read_board(root)
    assert found.temperatures_c == {"gpu-thermal": 51.2} and found.power_mode is None


def measure(root: Path) -> PowerMeter:
    with PowerMeter(root, period_s=0.001) as meter:
        deadline = time.monotonic() + 20
        while len(meter.watts) < 5 and time.monotonic() < deadline:
            time.sleep(0.005)
    return meter


def test_energy_is_power_times_time_per_frame(tmp_path: Path) -> None:
    meter = measure(write(tmp_path, ORIN))
    found = meter.energy(frames=100)
    assert found is not None and found.rail == "VDD_IN" and found.samples >= 5
    assert found.mean_w == found.peak_w == 10.0
    assert found.joules_per_frame == pytest.approx(10.0 * meter.seconds / 100, abs=1e-4)


def test_rails_are_summed_where_none_is_the_whole_board(tmp_path: Path) -> None:
    found = measure(write(tmp_path, AGX)).energy(frames=1)
    assert found is not None and found.rail == "VDD_GPU_SOC + VDD_CPU_CV" and found.mean_w == 15.0


def test_a_rail_that_cannot_be_read_gives_no_figure(tmp_path: Path) -> None:
    root = write(tmp_path, AGX | {"sys/class/hwmon/hwmon4/curr1_input": "error"})
    with PowerMeter(root, period_s=0.001) as meter:
        time.sleep(0.02)
    assert meter.energy(frames=1) is None
