"""Checks of the machine, on trees like those of a Jetson and of a PC."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_segnet.doctor import cameras, clock, gpu, power, rights, room, software
from edge_segnet.doctor.account import Account
from edge_segnet.doctor.context import Check, Context
from edge_segnet.doctor.place import Place, said
from edge_segnet.doctor.report import Finding
from edge_segnet.doctor.systemd import Unit
from edge_segnet.settings.schema import CameraConfig, Config
from edge_segnet.sinks.recording.settings import RecordingConfig
from edge_segnet.sinks.registry import configured
from tests.board.test_board import tree

L4T = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic"
GPU_CLOCK = "sys/class/devfreq/17000000.gpu"
CONF = "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=25W >\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >"


@pytest.fixture
def jetson(tmp_path: Path) -> Path:
    return tree(
        tmp_path,
        {
            "etc/nv_tegra_release": L4T,
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
            "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0",
            "var/lib/nvpmodel/status": "pmode:0001 fmode:fanNull",
            "etc/nvpmodel.conf": CONF,
            f"{GPU_CLOCK}/cur_freq": 306000000,
            f"{GPU_CLOCK}/min_freq": 306000000,
            f"{GPU_CLOCK}/max_freq": 918000000,
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": 1510400,
            "sys/class/thermal/thermal_zone0/type": "gpu-thermal",
            "sys/class/thermal/thermal_zone0/temp": 97500,
            "sys/class/thermal/thermal_zone0/trip_point_0_type": "passive",
            "sys/class/thermal/thermal_zone0/trip_point_0_temp": 99000,
            "sys/class/hwmon/hwmon3/oc1_event_cnt": 7,
        },
    )


def found(check: Check, root: Path, config: Config | None = None, path: Path | None = None) -> dict[str, Finding]:
    """By title."""
    return {finding.title: finding for finding in check(Context(Place(root), config or configured(), path))}


def test_power_clocks_and_heat_of_a_jetson(jetson: Path) -> None:
    mode = found(power.check_mode, jetson)["power mode"]
    assert mode.seen == "25W (mode 1); faster: sudo nvpmodel -m 2 (MAXN_SUPER)" and mode.status == "green"
    assert found(power.check_clocks, jetson)["clocks"].seen == "GPU 306 MHz (306 to 918), CPU 1510 MHz"
    heat = found(power.check_heat, jetson)
    assert heat["power supply"].seen.startswith("7 over-current events") and heat["power supply"].status == "yellow"
    assert heat["heat"].seen == "hottest: gpu 97.5 °C, slows down at 99 °C"


def test_throttling_and_a_lowest_clock_are_told(jetson: Path) -> None:
    core = "sys/devices/system/cpu/cpu0/cpufreq"
    cooling = "sys/class/thermal/cooling_device0"
    tree(
        jetson, {f"{cooling}/type": "cpufreq-cpu0", f"{cooling}/cur_state": 2, f"{core}/scaling_governor": "powersave"}
    )
    assert "slowed down now by temperature (cpufreq-cpu0)" in found(power.check_heat, jetson)["heat"].seen
    assert "'powersave'" in found(power.check_clocks, jetson)["clocks"].seen
    tree(jetson, {f"{core}/scaling_driver": "intel_pstate"})
    assert found(power.check_clocks, jetson)["clocks"].status == "green"


def test_a_machine_that_tells_nothing_is_grey(tmp_path: Path) -> None:
    checks: list[Check] = [power.check_mode, power.check_clocks, power.check_heat, gpu.check_gpu]
    assert [finding.status for check in checks for finding in found(check, tmp_path).values()] == ["grey"] * 4


def test_hardware_is_found_without_a_driver(jetson: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert gpu.find_hardware(Place(jetson)) == ("NVIDIA Jetson Orin Nano Developer Kit", "8.7")
    pci = "sys/bus/pci/devices/0000:01:00"
    files = {f"{pci}.0/vendor": "0x10de", f"{pci}.0/class": "0x030000", f"{pci}.1/vendor": "0x10de"}
    pc = tree(tmp_path_factory.mktemp("pc"), {f"{pci}.1/class": "0x040300", **files})
    assert gpu.find_hardware(Place(pc)) == ("an NVIDIA GPU (PCI 0000:01:00.0)", "")


def test_settings_that_need_a_gpu_make_its_absence_red(tmp_path: Path) -> None:
    finding = found(gpu.check_gpu, tmp_path, Config(backend="tensorrt"))["gpu"]
    assert (finding.status, finding.exit_code) == ("red", 3)


def test_python_must_be_jetpacks(jetson: Path) -> None:
    finding = found(software.check_python, jetson)["python"]
    assert "JetPack 6 (L4T 36.4.3)" in finding.seen
    assert sys.version_info[:2] == (3, 10) or ("are for Python 3.10" in finding.seen and finding.status == "yellow")
    assert found(software.check_python, jetson, Config(backend="tensorrt"))["python"].exit_code in (0, 3)
    (jetson / "etc/nv_tegra_release").write_text(L4T.replace("R36", "R35"))
    assert "older than JetPack 6.1" in found(software.check_python, jetson)["python"].seen


def test_which_cv2_is_it() -> None:
    hidden = [Path("/usr/lib/python3/dist-packages/cv2")]
    judge = software.judge_opencv
    assert judge("4.8.0", True, [], [], alone=False).status == "green"
    assert judge("4.8.0", False, ["opencv-python-headless"], [], alone=False).status == "green"
    assert judge("5.0.0", False, ["opencv-python"], hidden, alone=True).status == "green"
    hides = judge("5.0.0", False, ["opencv-python"], hidden, alone=False)
    assert hides.status == "yellow" and "hides JetPack's" in hides.seen and hides.remedy.endswith("opencv-python")
    twice = judge("5.0.0", False, ["opencv-python", "opencv-python-headless"], [], alone=True)
    assert twice.status == "yellow" and "overwrite each other" in twice.seen


def test_memory_by_the_kernel_and_by_the_control_group(tmp_path: Path) -> None:
    def memory(free_kb: int) -> Finding:
        text = f"MemTotal: 8000000 kB\nMemAvailable: {free_kb} kB\nSwapTotal: 0 kB"
        return found(room.check_memory, tree(tmp_path, {"proc/meminfo": text}))["memory"]

    assert memory(4_000_000).status == "green" and memory(800_000).status == "yellow"
    assert (memory(200_000).status, memory(200_000).exit_code) == ("red", 7)
    assert memory(4_000_000).seen == "4096 MB available of 8192 MB, swap none"
    tree(tmp_path, {"sys/fs/cgroup/memory.max": 2_000_000_000, "sys/fs/cgroup/memory.current": 1_900_000_000})
    assert memory(4_000_000).seen == "100 MB available of 2000 MB, swap none"
    tree(tmp_path, {"sys/fs/cgroup/memory.max": "max", "etc/nv_tegra_release": L4T})
    assert "swap" in memory(4_000_000).remedy, "a small Jetson without swap can't build an engine"


def test_a_disk_too_full_for_a_recording(tmp_path: Path) -> None:
    recording = RecordingConfig(path=Path("/data/recordings"), free_mb=100_000_000)
    disks = found(room.check_disk, tmp_path, configured(recording=recording))
    full = disks["disk recording"]
    assert (full.status, full.exit_code) == ("red", 7) and "recording stops below 100000000 MB" in full.seen
    assert str(tmp_path / "data/recordings") in full.seen, "a folder that is yet to be made counts where it will be"


def test_the_folders_that_are_looked_at_are_those_that_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/state")
    disks = found(room.check_disk, tmp_path, configured(jsonl={}, video={}, recording={}))
    folders = {"jsonl": "results", "video": "videos", "recording": "recordings"}
    for name, folder in folders.items():
        assert disks[f"disk {name}"].seen.startswith(f"{tmp_path}/state/{folder}: ")


def test_devices_of_another_group_are_named_with_it(tmp_path: Path) -> None:
    tree(tmp_path, {"dev/video0": "", "dev/video1": "", "dev/dri/renderD128": "", "dev/dri/card0": ""})
    for name, mode in (("video0", 0o660), ("video1", 0o666), ("dri/renderD128", 0o600)):
        (tmp_path / "dev" / name).chmod(mode)
    stranger = Account("robot", 54321, frozenset({54321}), asking=False)
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.owner() == tmp_path.owner() and folder.name.startswith(("pytest", "popen")):
            folder.chmod(0o755)
    config = Config(cameras={"front": CameraConfig(source="/dev/video0")})
    findings = list(rights.check(Context(Place(tmp_path), config, user=stranger)))
    (seen,) = [finding.seen for finding in findings if finding.status == "red"]
    assert seen == f"robot may not open {tmp_path / 'dev/video0'}"
    assert [finding.status for finding in findings] == ["red", "yellow", "green"]
    idle = rights.check(Context(Place(tmp_path), user=stranger))
    assert [finding.status for finding in idle] == ["yellow", "yellow", "green"], "nobody wants that camera"


def test_an_account_by_owner_group_and_others(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.touch()
    facts = path.stat()
    own = Account("me", facts.st_uid, frozenset(), asking=False)
    member = Account("member", 54321, frozenset({facts.st_gid}), asking=False)
    path.chmod(0o640)
    assert facts.st_uid == 0 or own.may(path, os.R_OK | os.W_OK)
    assert not Account("x", 54321, frozenset(), asking=False).may(path, os.R_OK)
    tmp_path.chmod(0o700)
    assert not member.may(path, os.R_OK), "the folder is closed"


def test_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/edge-segnet")
    assert found(rights.check_state, tmp_path)["state"].status == "yellow"
    (tmp_path / "var/lib/edge-segnet").mkdir(parents=True)
    assert found(rights.check_state, tmp_path)["state"].status == "green"
    stranger = Account("robot", 54321, frozenset(), asking=False)
    (tmp_path / "var/lib/edge-segnet").chmod(0o750)
    (by_hand,) = rights.check_state(Context(Place(tmp_path), user=stranger))
    (service,) = rights.check_state(Context(Place(tmp_path), user=stranger, unit=Unit({"LoadState": "loaded"})))
    assert by_hand.status == "yellow" and (service.status, service.exit_code) == ("red", 4)


def camera(root: Path, source: str) -> Finding:
    config = Config(cameras={"front": CameraConfig(source=source)})
    return found(cameras.check, root, config, root / "c.yaml")["camera front"]


def test_csi_cameras(jetson: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert "this is none" in camera(tmp_path_factory.mktemp("pc"), "csi://0").seen
    assert camera(jetson, "csi://0").seen == "csi://0: 0 CSI sensors are found"
    sensor = "sys/class/video4linux/video0/name"
    tree(jetson, {"dev/video0": "", sensor: "vi-output, imx219 9-0010"})
    assert "nvargus-daemon does not run" in camera(jetson, "csi://0").seen
    tree(jetson, {"tmp/argus_socket": ""})
    assert camera(jetson, "csi://0").seen == "csi://0: imx219 9-0010, nvargus-daemon runs"
    assert camera(jetson, "csi://1").status == "red"


def test_a_usb_camera_and_who_has_it(tmp_path: Path) -> None:
    name = "sys/class/video4linux/video3/name"
    tree(tmp_path, {"dev/video3": "", name: "HD Webcam: HD Webcam"})
    assert camera(tmp_path, "/dev/video3").seen == "/dev/video3: HD Webcam: HD Webcam"
    assert "here are /dev/video3" in camera(tmp_path, "/dev/video0").seen
    (tmp_path / "proc").symlink_to("/proc")
    program = f"import time; file = open({str(tmp_path / 'dev/video3')!r}); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline()
        taken = camera(tmp_path, "/dev/video3")
        other.kill()
    assert taken.status == "red" and f"in use by process {other.pid} (" in taken.seen


@pytest.mark.parametrize(
    ("now", "state", "status"),
    [(0.0, 0, "red"), (2e9, clock.NOT_SYNCHRONISED, "yellow"), (2e9, 0, "green"), (2e9, -1, "green")],
)
def test_the_clock(now: float, state: int, status: str) -> None:
    finding = clock.judge(now, 1.9e9, state)
    assert finding.status == status and ("1970-01-01" in finding.seen) == (now == 0.0)


def test_programs_that_fail_hang_or_are_absent_say_nothing() -> None:
    say: Callable[..., str | None] = said
    assert say(["no-such-program"]) is None and say(["false"]) is None and say(["sleep", "60"], 0.2) is None
    assert say(["echo", "hello"]) == "hello\n"
