"""The units: what systemd's own tools say of them, and the program under their filters."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge_segnet.core.errors import ModelError, UsageError
from edge_segnet.core.quiet import SWITCHES
from edge_segnet.service.state import HEALTHY_S
from tests.support.command import edge_segnet
from tests.support.confined import library, settings, system_calls
from tests.support.program import program
from tests.support.waiting import wait_until

FOLDER = Path(__file__).parents[2] / "systemd"
UNIT = FOLDER / "edge-segnet.service"
JETSON = FOLDER / "edge-segnet.service.d" / "jetson.conf"
EXPOSURE = 2.0
ANALYSER = shutil.which("systemd-analyze")


def _has_seccomp() -> bool:
    try:
        library()
    except OSError:
        return False
    return True


analysed = pytest.mark.skipif(ANALYSER is None, reason="needs systemd-analyze")
confining = pytest.mark.skipif(ANALYSER is None or not _has_seccomp(), reason="needs systemd-analyze and libseccomp")
variants = pytest.mark.parametrize("jetson", [False, True], ids=["pc", "jetson"])


def installed(folder: Path, jetson: bool) -> Path:
    """The unit as it lies in a folder of systemd's, its program being one that exists here."""
    unit = folder / UNIT.name
    unit.write_text(re.sub(r"(?m)^(Exec\w+)=\S+", rf"\1={sys.executable}", UNIT.read_text(encoding="utf-8")))
    if jetson:
        (folder / JETSON.parent.name).mkdir()
        shutil.copy(JETSON, folder / JETSON.parent.name)
    return unit


def analyse(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})


@analysed
@variants
def test_systemd_finds_nothing_wrong(tmp_path: Path, jetson: bool) -> None:
    done = analyse("verify", installed(tmp_path, jetson))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@analysed
def test_systemd_would_find_a_misspelt_word(tmp_path: Path) -> None:
    unit = installed(tmp_path, jetson=False)
    unit.write_text(unit.read_text(encoding="utf-8").replace("ProtectHome=", "ProtectHme="), encoding="utf-8")
    assert "ProtectHme" in analyse("verify", unit).stderr


@analysed
@variants
def test_exposure(tmp_path: Path, jetson: bool) -> None:
    unit = installed(tmp_path, jetson)
    done = analyse("security", "--offline=yes", f"--threshold={EXPOSURE * 10:.0f}", unit)
    assert done.returncode == 0, done.stdout
    overall = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert overall is not None and float(overall[1]) <= EXPOSURE
    bare = re.sub(r"(?m)^(Protect|Private|Restrict|SystemCall|Capability|NoNew)\w+=.*\n", "", unit.read_text())
    unit.write_text(bare, encoding="utf-8")
    assert analyse("security", "--offline=yes", f"--threshold={EXPOSURE * 10:.0f}", unit).returncode != 0


def test_cameras_are_not_shut_out() -> None:
    assert settings(UNIT, "DeviceAllow") == ["char-video4linux rw"]
    assert settings(UNIT, "SupplementaryGroups") == ["video"]
    assert settings(UNIT, "PrivateDevices") == settings(UNIT, "PrivateNetwork") == []
    assert any("192.168.0.0/16" in line for line in settings(UNIT, "IPAddressAllow"))
    assert settings(JETSON, "PrivateTmp") == ["no"]  # the camera daemon's socket
    assert "nvargus-daemon.service" in settings(JETSON, "After")


def test_the_unit_and_the_program_mean_the_same() -> None:
    assert float(settings(UNIT, "WatchdogSec")[0]) == HEALTHY_S
    prevented = {int(code) for code in settings(UNIT, "RestartPreventExitStatus")[0].split()}
    assert prevented == {UsageError.exit_code, ModelError.exit_code}
    variables = dict(variable.split("=", 1) for variable in settings(UNIT, "Environment"))
    for name in variables.keys() - SWITCHES.keys():
        assert variables[name].startswith((f"/var/cache/{settings(UNIT, 'CacheDirectory')[0]}", "/dev/shm"))


@pytest.mark.parametrize(("source", "code"), [("0", 0), ("synthetic://drive", 2)])
def test_the_units_command(tmp_path: Path, source: str, code: int) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"cameras: {{front: {{source: '{source}'}}}}\n", encoding="utf-8")
    arguments = settings(UNIT, "ExecStart")[0].split()[1:]
    assert arguments[:3] == ["run", "--config", "/etc/edge-segnet/config.yaml"]
    done = edge_segnet("run", "--config", config, *arguments[3:], "--check")
    assert done.code == code, done.err
    if code:
        assert "synthetic://drive" in done.error


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("systemd-sysusers") is None, reason="needs root and systemd")
def test_user_and_folders(tmp_path: Path) -> None:
    (tmp_path / "etc" / "edge-segnet").mkdir(parents=True)
    (tmp_path / "etc" / "edge-segnet" / "config.yaml").write_text("backend: auto\n", encoding="utf-8")
    users, folders = FOLDER / "sysusers.d" / "edge-segnet.conf", FOLDER / "tmpfiles.d" / "edge-segnet.conf"
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", str(users)], check=True, capture_output=True)
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={tmp_path}", str(folders)], check=True)
    passwd = (tmp_path / "etc" / "passwd").read_text(encoding="utf-8").split(":")
    assert (passwd[0], passwd[-1].strip()) == ("edge-segnet", "/usr/sbin/nologin")
    assert re.search(r"(?m)^video:.*\bedge-segnet$", (tmp_path / "etc" / "group").read_text(encoding="utf-8"))
    group = int(passwd[3])
    modes = {name: (tmp_path / "etc" / "edge-segnet" / name).stat() for name in ("", "config.yaml", "token")}
    assert {name: (stat.S_IMODE(one.st_mode), one.st_uid, one.st_gid) for name, one in modes.items()} == {
        "": (0o750, 0, group),
        "config.yaml": (0o640, 0, group),
        "token": (0o600, 0, 0),
    }


@confining
def test_the_filters_hold() -> None:
    """What follows would prove nothing if they didn't."""
    calls = (
        "socket.socket(socket.AF_PACKET)",
        "mmap.mmap(-1, 4096, prot=7)",
        "os.chroot('/')",
        "os.nice(1)",
        "os.setgid(1)",
        "socket.socket()",
    )
    program = "import mmap, os, socket\n" + "".join(
        f"try: {call}; print('done')\nexcept PermissionError: print('refused')\n" for call in calls
    )
    done = subprocess.run([*_confined(), sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [*["refused"] * 5, "done"], done.stderr
    assert "sched_setaffinity" in system_calls(UNIT)
    assert "mount" not in system_calls(UNIT)


def _confined() -> list[str]:
    return [sys.executable, "-m", "tests.support.confined", str(UNIT)]


@confining
def test_it_serves_under_the_filters(tmp_path: Path) -> None:
    pytest.importorskip("gi", reason="needs PyGObject")
    from tests.sources.gstreamer.rtsp_camera import RtspCamera
    from tests.sources.gstreamer.rtsp_viewer import Viewer

    # As the unit: a registry of its own, so that the scanner of plug-ins runs too.
    environment = {"GST_REGISTRY": str(tmp_path / "gstreamer.bin"), "STATE_DIRECTORY": str(tmp_path)}
    with RtspCamera() as camera:
        arguments = ("--source", camera.url, "--set", "rtsp.port=0", "--set", "http.port=0")
        with program(*arguments, environment=environment, launcher=_confined()) as service:
            service.wait_ready()
            status = Path(f"/proc/{service.process.pid}/status").read_text(encoding="ascii")
            assert re.search(r"(?m)^NoNewPrivs:\s1$", status) and re.search(r"(?m)^Seccomp:\s2$", status)
            wait_until(lambda: service.get("/api/result").status_code == 200, 60)
            assert service.get("/frame/overlay.jpg").status_code == 200
            wait_until(lambda: service.get("/api/status").json()["sinks"]["rtsp"]["urls"])
            with Viewer(service.get("/api/status").json()["sinks"]["rtsp"]["urls"][0]) as viewer:
                assert viewer.picture() is not None
            service.end()
            assert service.process.returncode == 0, service.log
            assert all(line.startswith("edge-segnet: ") for line in service.log), service.log
            assert not [line for line in service.log if "not permitted" in line]
    assert (tmp_path / "gstreamer.bin").exists()


RACE = """
from edge_segnet.backends.model import read_model
from edge_segnet.backends.onnx import CpuOptions
from edge_segnet.backends.race import open_quickest
backend, reason = open_quickest(read_model("segnet-lite", (160, 128)), CpuOptions(), "fp32")
print(backend.name, reason, sep="|")
"""


@confining
def test_openvino_needs_its_drop_in(tmp_path: Path) -> None:
    """Under the unit alone ``auto`` says why it stays with ONNX Runtime; with the drop-in OpenVINO compiles, although
    the cache knows how it was before.
    """
    pytest.importorskip("openvino", reason="OpenVINO is not installed (extra: openvino)")
    unit = tmp_path / "edge-segnet.service"
    changed = (FOLDER / "edge-segnet.service.d" / "openvino.conf").read_text(encoding="utf-8")
    (setting,) = re.findall(r"(?m)^(MemoryDenyWriteExecute=no)$", changed)
    text = UNIT.read_text(encoding="utf-8")
    environment = {**os.environ, "CACHE_DIRECTORY": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "tests.support.confined", str(unit), sys.executable, "-c", RACE]

    def raced(unit_text: str) -> str:
        unit.write_text(unit_text)
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert raced(text).startswith("onnx|OpenVINO can't: ")
    lifted = raced(text.replace("MemoryDenyWriteExecute=yes", setting))
    assert "ms a frame" in lifted and "can't" not in lifted, lifted
