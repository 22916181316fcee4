"""The board's sensors, read from trees like those of a Jetson and of a PC."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_segnet.board import status as board
from edge_segnet.board.status import Board


def tree(root: Path, files: dict[str, object]) -> Path:
    for name, value in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return root


@pytest.fixture
def jetson(tmp_path: Path) -> Path:
    zone, hwmon = "sys/class/thermal/thermal_zone", "sys/class/hwmon/hwmon"
    return tree(
        tmp_path,
        {
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
            f"{zone}0/type": "cpu-thermal",
            f"{zone}0/temp": 51500,
            f"{zone}0/trip_point_0_type": "passive",
            f"{zone}0/trip_point_0_temp": 99000,
            f"{zone}0/trip_point_1_type": "critical",
            f"{zone}0/trip_point_1_temp": 104500,
            f"{zone}1/type": "gpu-thermal",
            f"{zone}1/temp": 55250,
            f"{zone}2/type": "cv0-thermal",
            f"{zone}2/temp": -256000,
            f"{zone}10/type": "tj-thermal",
            f"{zone}10/temp": "unreadable",
            "sys/class/thermal/cooling_device0/type": "pwm-fan",
            "sys/class/thermal/cooling_device0/cur_state": 3,
            "sys/class/thermal/cooling_device1/type": "cpufreq-cpu0",
            "sys/class/thermal/cooling_device1/cur_state": 0,
            f"{hwmon}3/name": "soctherm_oc",
            f"{hwmon}3/oc1_event_cnt": 7,
            f"{hwmon}3/oc3_event_cnt": 0,
        },
    )


def test_a_jetsons_temperatures_hottest_first(jetson: Path) -> None:
    status = Board(jetson).status()
    assert status["name"] == "NVIDIA Jetson Orin Nano Developer Kit"
    assert status["temperatures"] == [
        {"name": "gpu", "celsius": 55.2, "limit_celsius": None},
        {"name": "cpu", "celsius": 51.5, "limit_celsius": 99.0},
    ], "sensors that are off are left out"
    assert status["throttled"] is False, "neither a fan nor old events are throttling"


def test_an_over_current_event_is_throttling(jetson: Path) -> None:
    found = Board(jetson, 0.0)
    tree(jetson, {"sys/class/hwmon/hwmon3/oc3_event_cnt": 2})
    status = found.status()
    assert status["throttled"] is True
    assert status["throttling"] == [{"reason": "over-current", "active": True, "events": 2}]


def test_a_cooling_device_at_work_is_throttling(jetson: Path) -> None:
    found = Board(jetson, 0.0)
    assert found.status()["throttled"] is False
    tree(jetson, {"sys/class/thermal/cooling_device1/cur_state": 2})
    status = found.status()
    assert status["throttled"] is True
    assert status["throttling"] == [{"reason": "temperature (cpufreq-cpu0)", "active": True, "events": None}]
    tree(jetson, {"sys/class/thermal/cooling_device1/cur_state": 0})
    assert found.status()["throttled"] is False


def test_a_pcs_counters_are_not_added_up_over_cores(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu/cpu"
    tree(tmp_path, {f"{cpu}{core}/thermal_throttle/package_throttle_count": 5 for core in range(4)})
    tree(tmp_path, {"sys/class/dmi/id/product_name": "NUC", "sys/class/hwmon/hwmon0/name": "k10temp"})
    tree(tmp_path, {"sys/class/hwmon/hwmon0/temp1_input": 61125, "sys/class/hwmon/hwmon0/temp1_label": "Tctl"})
    found = Board(tmp_path, 0.0)
    assert found.status()["temperatures"] == [{"name": "Tctl", "celsius": 61.1, "limit_celsius": None}]
    tree(tmp_path, {f"{cpu}{core}/thermal_throttle/package_throttle_count": 8 for core in range(4)})
    assert found.status()["throttling"] == [{"reason": "temperature (package)", "active": True, "events": 3}]


def test_it_is_read_once_a_second_at_most(jetson: Path) -> None:
    found = Board(jetson)
    first = found.status()
    tree(jetson, {"sys/class/thermal/thermal_zone0/temp": 99000})
    assert found.status() is first


def test_a_machine_without_sensors_says_so(tmp_path: Path) -> None:
    expected: dict[str, object] = {"name": None, "temperatures": [], "throttled": None, "throttling": []}
    assert Board(tmp_path).status() == expected


def test_this_machine_can_be_asked() -> None:
    assert set(board.read()) == {"name", "temperatures", "throttled", "throttling"}
