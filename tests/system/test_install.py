"""From a wheel to a running service with one line; twice; refused; taken back; and away again."""

from __future__ import annotations

import json
import re

import pytest

from tests.system.robot import CONFIG, Robot
from tools.system.layers import CAMERA, PROGRAM

FROM_CAMERA = f"--source {CAMERA}"
INSTALL = f"{PROGRAM} service install {FROM_CAMERA}"
LAID = (
    "/opt/edge-segnet",
    "/usr/local/bin/edge-segnet",
    "/etc/systemd/system/edge-segnet.service",
    "/etc/systemd/system/edge-segnet-recover.socket",
    "/etc/systemd/system/edge-segnet-recover@.service",
    "/etc/sysusers.d/edge-segnet.conf",
    "/etc/tmpfiles.d/edge-segnet.conf",
)
TREE = "find /etc /opt /usr/local /var/lib -xdev -not -path '/var/lib/systemd/*' -not -path '/var/lib/apt/*' | sort"


def test_one_line_from_a_wheel(user: Robot) -> None:
    told = user.ok(f"{INSTALL} --dry-run")
    assert "put this program at /opt/edge-segnet" in told and "wait until it is ready" in told
    assert user.run("test -e /opt/edge-segnet").code == 1
    said = user.ok(INSTALL)
    assert "ready: http://127.0.0.1:8080" in said
    assert json.loads(user.ok("curl -s http://127.0.0.1:8080/readyz")) == {"ready": True}
    user.wait('curl -sf http://127.0.0.1:8080/api/result | grep -q \'"camera": *"front"\'')
    assert user.show("UnitFileState") == "enabled" and user.show("User") == "edge-segnet"
    assert "front" in user.show("StatusText")
    assert user.ok("command -v edge-segnet").strip() == "/usr/local/bin/edge-segnet"
    assert user.ok("stat -c '%a %U %G' /etc/edge-segnet /etc/edge-segnet/config.yaml /etc/edge-segnet/token").split(
        "\n"
    )[:3] == [
        "750 root edge-segnet",
        "640 root edge-segnet",
        "600 root root",
    ]
    assert "ready" in user.ok("edge-segnet service status")
    assert "0 FAIL" in user.ok("sudo edge-segnet doctor")
    pid = user.pid
    assert "nothing to do" in user.ok(INSTALL) and user.pid == pid  # twice is once
    assert "nothing to do" in user.ok("edge-segnet service install") and user.pid == pid


def test_the_helper_with_cameras_listens_where_the_settings_want_it(robot: Robot) -> None:
    assert robot.show("UnitFileState", "edge-segnet-recover.socket") == "disabled"
    robot.settings(more="recover: {usb_reset: 1}\n")
    said = robot.ok("edge-segnet service install")
    assert "enable edge-segnet-recover.socket" in said
    robot.ok("test -S /run/edge-segnet-recover")
    assert "nothing to do" in robot.ok("edge-segnet service install")
    robot.ok("edge-segnet service uninstall")
    assert robot.run("test -e /run/edge-segnet-recover").code != 0


def test_openvinos_drop_in(robot: Robot) -> None:
    drop_in = "/etc/systemd/system/edge-segnet.service.d/openvino.conf"
    done = robot.run("edge-segnet service install --openvino")
    assert done.code == 2 and "OpenVINO is not installed" in done.err and "pip install openvino" in done.err
    site = robot.ok("ls -d /opt/edge-segnet/lib/python3.*/site-packages").strip()
    robot.write(f"{site}/openvino/__init__.py", "")  # enough to be found
    robot.settings(more="backend: onnx\n")
    robot.ok("edge-segnet service install --openvino")
    robot.wait_ready()
    assert robot.show("MemoryDenyWriteExecute") == "no" and "MemoryDenyWriteExecute=no" in robot.read(drop_in)
    robot.ok("edge-segnet service uninstall")
    assert robot.run(f"test -e {drop_in}").code != 0


def test_cold_start(robot: Robot) -> None:
    """From systemd's fork to READY, model included; the figure stands in the log (docs/verification.md)."""
    robot.ok("systemctl restart edge-segnet")
    found = re.findall(r"ready after ([\d.]+) s", robot.log())
    assert found
    print("READY after", found[-1], "s")  # noqa: T201


def test_what_a_user_changed_is_kept(robot: Robot) -> None:
    unit = "/etc/systemd/system/edge-segnet.service"
    robot.write(unit, robot.read(unit).replace("TasksMax=512", "TasksMax=600"))
    robot.ok("rm /etc/tmpfiles.d/edge-segnet.conf")
    said = robot.ok(f"{PROGRAM} service install --source http://127.0.0.1:9000/other.mjpg")
    assert f"keep {unit}" in said and "write /etc/tmpfiles.d/edge-segnet.conf" in said
    assert "TasksMax=600" in robot.read(unit) and "TasksMax=512" in robot.read(f"{unit}.new")
    assert "other.mjpg" in robot.read(CONFIG)  # ours, so replaced
    robot.settings()
    said = robot.ok(f"{PROGRAM} service install --source http://127.0.0.1:9000/third.mjpg")
    assert f"keep {CONFIG}" in said and "camera.mjpg" in robot.read(CONFIG)
    assert "third.mjpg" in robot.read(f"{CONFIG}.new")
    said = robot.ok("edge-segnet service uninstall")
    assert f"keep {unit}" in said and robot.run("test -e /opt/edge-segnet").code == 1


def test_the_installation_of_0_1_is_taken_over(user: Robot) -> None:
    """Eight lines by hand: an environment, units and settings without any record."""
    user.ok("python3 -m venv --system-site-packages /opt/edge-segnet && mkdir -p /etc/edge-segnet")
    user.settings()
    user.ok(f"chmod 640 {CONFIG}")
    said = user.ok(f"{PROGRAM} service install")
    assert "the one there goes to /opt/edge-segnet.before" in said and "ready:" in said
    assert "camera.mjpg" in user.read(CONFIG)
    assert user.run("ls -d /opt/edge-segnet.*").code != 0


RELEASE = "echo '# R{0} (release), REVISION: {1}, GCID' > /etc/nv_tegra_release"
SETTINGS = "printf '{0}' > /srv/given.yaml"
REFUSED = {
    "synthetic": ("true", "--source synthetic://drive", 2, "is not a camera"),
    "hidden": ("true", "--source /home/robot/drive.mp4", 2, "the service can't see /home"),
    "uri": ("true", "--source 'rtsp:/camera'", 2, "rtsp:/camera"),
    "settings": (SETTINGS.format("modell: x"), "--config /srv/given.yaml", 2, "unknown key"),
    "no settings": ("true", "--config /srv/none.yaml", 2, "No such file"),
    "no camera": (SETTINGS.format("backend: onnx"), "--config /srv/given.yaml", 2, "is not a camera"),
    "model": (SETTINGS.format("model: a.onnx\\ncameras: {a: {source: 0}}"), "--config /srv/given.yaml", 3, "a.onnx"),
    "port": ("systemd-run -q --unit=other python3 -m http.server -b 127.0.0.1 8080", FROM_CAMERA, 4, "is taken by"),
    "new JetPack": (RELEASE.format(41, "1.0"), FROM_CAMERA, 2, "unknown JetPack"),
    "old JetPack": (RELEASE.format(35, "4.1"), FROM_CAMERA, 2, "JetPack 5"),
    "foreign folder": ("mkdir -p /opt/edge-segnet/mine", FROM_CAMERA, 2, "is no Python environment"),
    "full /opt": ("mount -t tmpfs -o size=100m none /opt", FROM_CAMERA, 4, "MB are needed"),
    "full /var": ("mount -t tmpfs -o size=4m none /var/lib", FROM_CAMERA, 4, "MB are free"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anything_is_changed(user: Robot, name: str) -> None:
    prepare, flags, code, words = REFUSED[name]
    user.ok(prepare)
    user.wait("test ! -e /run/systemd/transient/other.service || ss -ltn | grep -q :8080")
    before = user.ok(TREE)
    done = user.run(f"{PROGRAM} service install {flags}")
    assert (done.code, done.err.count("error: ")) == (code, 1) and words in done.err, done
    assert user.ok(TREE) == before


def test_others_than_root_are_told_how(user: Robot) -> None:
    done = user.run(f"setpriv --reuid=65534 --clear-groups {INSTALL}")
    assert done.code == 2 and f"sudo {PROGRAM} service install" in done.err


def test_what_does_not_become_ready_is_taken_back(user: Robot) -> None:
    """A drop-in of the user's under which nothing starts: nothing of the installation stays."""
    user.write("/etc/systemd/system/edge-segnet.service.d/mine.conf", "[Service]\nExecStartPre=/bin/false\n")
    before = user.ok(TREE)
    done = user.run(INSTALL)
    assert done.code == 4 and "did not become ready" in done.err, done
    assert user.ok(TREE) == before and user.run("getent passwd edge-segnet").code != 0
    assert user.show("ActiveState") == "inactive"


def test_an_update_that_fails_leaves_the_old_one_running(robot: Robot) -> None:
    site = robot.ok("ls -d /srv/robot/lib/python3.*/site-packages/edge_segnet/service").strip()
    robot.ok(f"echo 'raise RuntimeError(\"broken build\")' >> {site}/life.py")
    done = robot.run(f"{PROGRAM} service install --source http://127.0.0.1:9000/second.mjpg")
    assert done.code != 0 and len(done.err.splitlines()) == 1, done
    robot.wait_ready()
    assert "camera.mjpg" in robot.read(CONFIG) and robot.show("UnitFileState") == "enabled"
    robot.ok("journalctl --rotate && journalctl --vacuum-time=1s")  # the broken one's traceback is what was asked for


def test_uninstall_and_purge(robot: Robot) -> None:
    robot.ok("touch /var/lib/edge-segnet/mine")
    told = robot.ok("edge-segnet service uninstall --dry-run")
    assert "remove /opt/edge-segnet" in told and robot.show("ActiveState") == "active"
    robot.ok("edge-segnet service uninstall")
    assert [path for path in LAID if robot.run(f"test -e {path}").code == 0] == []
    assert robot.run(f"test -e {CONFIG} -a -e /var/lib/edge-segnet/mine").code == 0
    assert robot.show("LoadState") == "not-found"
    robot.ok(INSTALL)
    robot.ok(f"{PROGRAM} service uninstall --purge")
    gone = "/etc/edge-segnet /var/lib/edge-segnet /var/cache/edge-segnet /etc/systemd/system/edge-segnet.service.d"
    assert [path for path in gone.split() if robot.run(f"test -e {path}").code == 0] == []
    assert robot.run("getent passwd edge-segnet").code != 0
    done = robot.run(f"{PROGRAM} service uninstall")
    assert done.code == 2 and "not installed" in done.err


def test_token(user: Robot) -> None:
    said = user.ok(f"{INSTALL} --token")
    assert "make a token" in said and "http://robot:8080" in said
    token = user.read("/etc/edge-segnet/token").strip()
    assert re.fullmatch(r"[0-9a-f]{64}", token) and token not in said
    assert user.ok("stat -c %a /etc/edge-segnet/token").strip() == "600"
    assert user.ok("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/api/status") == "401"
    assert user.ok(f"curl -s -H 'Authorization: Bearer {token}' http://127.0.0.1:8080/api/status").startswith("{")
    assert token not in user.ok("journalctl --no-pager") + user.ok(f"tr '\\0' '\\n' < /proc/{user.pid}/environ")
    assert "nothing to do" in user.ok(f"{INSTALL} --token") and user.read("/etc/edge-segnet/token").strip() == token
