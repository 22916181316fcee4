"""The service under systemd: watched, killed, reloaded, stopped, starved, and asked for its secrets."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from tests.system.conftest import SECRETS
from tests.system.robot import CONFIG, Robot

AUTH = "http: {{host: '{host}', port: 8080, auth: {{token_credential: token}}}}\n"
SITE = "/opt/edge-segnet/lib/python3.*/site-packages"


def test_it_starts_at_boot(robot: Robot) -> None:
    assert robot.show("Type") == "notify" and robot.show("NRestarts") == "0"
    robot.wait("systemctl show edge-segnet -p StatusText | grep -q 'front: [0-9]'")
    assert robot.show("NotifyAccess") == "main"
    status = robot.read(f"/proc/{robot.pid}/status")
    assert re.search(r"(?m)^NoNewPrivs:\s1$", status) and re.search(r"(?m)^CapEff:\s0+$", status)
    assert re.search(r"(?m)^Seccomp:\s2$", status)


def test_a_hang_is_noticed_by_the_watchdog(robot: Robot) -> None:
    robot.limit(WatchdogSec="3", RestartSec="0.2")
    robot.ok("systemctl restart edge-segnet")
    pid = robot.pid
    robot.ok("systemctl kill --kill-whom=main --signal=STOP edge-segnet")
    robot.wait_pid(pid)
    robot.wait_ready()
    assert "Watchdog timeout" in robot.log() and robot.show("NRestarts") == "1"


def test_a_watched_service_is_left_alone(robot: Robot) -> None:
    """Three limits of two seconds, camera gone for half of them: no restart."""
    robot.limit(WatchdogSec="2")
    robot.ok("systemctl restart edge-segnet")
    time.sleep(3)
    robot.ok("systemctl stop camera")
    time.sleep(4)
    assert robot.show("NRestarts") == "0" and re.search("missing|lost", robot.show("StatusText"))


def test_killed_it_comes_back(robot: Robot) -> None:
    robot.limit(RestartSec="0.2")
    pid = robot.pid
    robot.ok(f"kill -KILL {pid}")
    robot.wait_pid(pid)
    robot.wait_ready()


def test_reload(robot: Robot) -> None:
    pid = robot.pid
    robot.settings(more="http: {port: 8081}\n")
    assert robot.run("systemctl reload edge-segnet").code == 0
    robot.wait("curl -sf http://127.0.0.1:8081/readyz")
    assert robot.pid == pid
    for text, words in (
        ("cameras: {front: {source: 0, rate: -3}}\n", "rate"),
        ("cameras: [\n", "YAML"),
        ("", "is not a camera"),
        ("model: none-such\ncameras: {front: {source: 0}}\n", "none-such"),
    ):
        robot.write(CONFIG, text)
        done = robot.run("systemctl reload edge-segnet")
        assert done.code != 0, (text, robot.log())
        robot.wait(f"journalctl -u edge-segnet -o cat | grep -q '{words}'")
        assert robot.pid == pid and robot.run("curl -sf http://127.0.0.1:8081/readyz").code == 0, text
    robot.ok(f"rm {CONFIG}")
    assert robot.run("systemctl reload edge-segnet").code != 0
    robot.settings()
    robot.ok("systemctl reload edge-segnet")
    robot.wait_ready()
    assert robot.pid == pid and robot.show("NRestarts") == "0"


def test_it_stops_at_once(robot: Robot) -> None:
    began = time.monotonic()
    robot.ok("systemctl stop edge-segnet")
    assert time.monotonic() - began < 4
    assert (robot.show("Result"), robot.show("ExecMainStatus")) == ("success", "0")


SLOW_FRAMES = """
import time
_quick = OnnxBackend._infer
def _slow(self, frame):
    time.sleep(5)
    return _quick(self, frame)
OnnxBackend._infer = _slow
"""


def test_a_frame_that_takes_five_seconds(robot: Robot) -> None:
    """Started, watched by a unit that allows three, stopped in the middle of a frame: as it begins, which the end of
    the one before tells. What takes the time is no work, so that it takes as long on a busy machine.
    """
    robot.write("/srv/slow.py", SLOW_FRAMES)
    robot.ok(f"for f in {SITE}/edge_segnet/backends/onnx.py; do cat /srv/slow.py >> $f; done")
    robot.limit(WatchdogSec="3")
    robot.ok("systemctl restart edge-segnet", 300)
    first = _result(robot, -1)
    _result(robot, first["seq"])
    assert robot.show("NRestarts") == "0", robot.log()
    began = time.monotonic()
    robot.ok("systemctl stop edge-segnet")
    assert time.monotonic() - began < 5, "the frame was waited for"
    assert (robot.show("Result"), robot.show("ExecMainStatus")) == ("success", "0")


def _result(robot: Robot, after: int) -> dict[str, Any]:
    """The first one after that number."""
    end = time.monotonic() + 120
    while True:
        done = robot.run("curl -sf http://127.0.0.1:8080/api/result")
        found: dict[str, Any] = json.loads(done.out) if done.code == 0 else {"seq": after}
        if found["seq"] > after:
            return found
        assert time.monotonic() < end, robot.log()
        time.sleep(0.1)


def test_imports_that_take_longer_than_a_start_may(robot: Robot) -> None:
    """A cold disk: twelve seconds for one library, where systemd waits for eight."""
    robot.ok(f"for f in {SITE}/onnxruntime/__init__.py; do sed -i '1i import time; time.sleep(12)' $f; done")
    robot.limit(TimeoutStartSec="8", WatchdogSec="3")
    robot.ok("systemctl restart edge-segnet")
    robot.wait_ready(60)
    assert robot.show("NRestarts") == "0"


@pytest.mark.parametrize(
    ("text", "code"),
    [("cameras: {front: {source: 'synthetic://drive'}}\n", "2"), ("camera: {}\n", "2")],
    ids=["synthetic", "settings"],
)
def test_what_another_start_would_not_mend_is_not_started_again(robot: Robot, text: str, code: str) -> None:
    robot.write(CONFIG, text if "cameras" in text else f"{text}cameras: {{front: {{source: 0}}}}\n")
    assert robot.run("systemctl restart edge-segnet").code != 0
    time.sleep(1)
    assert (robot.show("ActiveState"), robot.show("NRestarts"), robot.show("ExecMainStatus")) == ("failed", "0", code)
    status = robot.run("edge-segnet service status")
    assert status.code == int(code), status
    assert robot.run("edge-segnet doctor").code == int(code)


def test_start_limit(robot: Robot) -> None:
    robot.limit(RestartSec="0.1", ExecStartPre="/bin/false", StartLimitBurst="3", StartLimitIntervalSec="60")
    robot.ok("systemctl reset-failed edge-segnet; systemctl stop edge-segnet")
    robot.run("systemctl start edge-segnet")
    robot.wait("systemctl show edge-segnet -p ActiveState | grep -q failed")
    robot.wait("journalctl -u edge-segnet -o cat | grep -q 'repeated too quickly'")
    assert "failed too often" in robot.run("edge-segnet service status").out
    assert robot.run("systemctl start edge-segnet").code != 0
    robot.ok("rm -r /etc/systemd/system/edge-segnet.service.d; systemctl daemon-reload")
    robot.ok("systemctl reset-failed edge-segnet; systemctl start edge-segnet")
    robot.wait_ready()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1", "127.0.0.1"])
def test_addresses_and_the_token(robot: Robot, host: str) -> None:
    here = {"::": "[::1]", "::1": "[::1]"}.get(host, "127.0.0.1")
    robot.settings(more=AUTH.format(host=host))
    done = robot.run("systemctl restart edge-segnet")
    assert done.code != 0 and robot.show("ExecMainStatus") == "2"  # the token is still empty
    codes = []
    for token in SECRETS[1:]:
        robot.write("/etc/edge-segnet/token", token + "\n")
        robot.ok("systemctl restart edge-segnet")
        robot.wait(f"curl -sf 'http://{here}:8080/readyz'")
        for shown in SECRETS[1:]:
            ask = f"curl -s -o /dev/null -w '%{{http_code}}' -H 'Authorization: Bearer {shown}' 'http://{here}:8080/api/status'"
            codes.append(robot.ok(ask))
    assert codes == ["200", "401", "401", "200"]  # the second token is the rotated one
    environment = robot.machine.file(f"/proc/{robot.pid}/environ").read_bytes()
    assert SECRETS[2].encode() not in environment and b"CREDENTIALS_DIRECTORY" in environment


def test_an_address_for_others_without_a_token(robot: Robot) -> None:
    robot.settings(more="http: {host: 0.0.0.0}\n")
    assert robot.run("systemctl restart edge-segnet").code != 0
    assert robot.show("ExecMainStatus") == "2" and "auth is not set" in robot.log()


def test_passwords_of_cameras_stay_out_of_the_journal(robot: Robot) -> None:
    robot.settings(f"rtsp://robot:{SECRETS[0]}@127.0.0.1:5554/front")
    robot.ok("systemctl restart edge-segnet")
    robot.wait("systemctl show edge-segnet -p StatusText | grep -q missing")
    assert "127.0.0.1:5554" in robot.log()  # and, as in every test, the journal is searched at the end
    assert SECRETS[0] not in robot.ok("edge-segnet service status; sudo edge-segnet doctor --timeout 3; true")


def test_a_boot_without_camera(robot: Robot) -> None:
    robot.ok("systemctl stop camera && systemctl restart edge-segnet")
    robot.wait("systemctl show edge-segnet -p StatusText | grep -q missing")
    assert robot.show("ActiveState") == "active"
    robot.ok("systemctl start camera")
    robot.wait("curl -sf http://127.0.0.1:8080/api/result >/dev/null", 15)


def test_var_is_full(robot: Robot) -> None:
    """It serves; what can't be written is told, and is written again once there is room."""
    robot.ok("systemctl stop edge-segnet && mount -t tmpfs -o size=20m none /var/lib/edge-segnet")
    robot.ok("chown edge-segnet:edge-segnet /var/lib/edge-segnet")
    robot.settings(more="jsonl: {free_mb: 1}\n")
    robot.ok("dd if=/dev/zero of=/var/lib/edge-segnet/fill bs=1M count=30 2>/dev/null; systemctl restart edge-segnet")
    robot.wait_ready()
    robot.wait("curl -sf http://127.0.0.1:8080/api/result >/dev/null")
    robot.wait("curl -sf http://127.0.0.1:8080/api/status | grep -q 'to stay free'", 20)
    robot.ok("rm /var/lib/edge-segnet/fill")
    robot.wait("find /var/lib/edge-segnet -name '*.jsonl' -size +0 | grep -q .", 40)
    assert robot.show("NRestarts") == "0"


def test_the_state_folder_goes_away(robot: Robot) -> None:
    robot.settings(more="jsonl: {}\n")
    robot.ok("systemctl restart edge-segnet")
    robot.wait("find /var/lib/edge-segnet -name '*.jsonl' | grep -q .")
    robot.ok("rm -rf /var/lib/edge-segnet/*")
    time.sleep(2)
    robot.wait_ready()
    assert robot.show("NRestarts") == "0"
    robot.ok(
        "systemctl stop edge-segnet; rm -rf /var/lib/edge-segnet /var/cache/edge-segnet; systemctl start edge-segnet"
    )
    robot.wait_ready()
    assert robot.ok("stat -c '%a %U' /var/lib/edge-segnet").strip() == "750 edge-segnet"


def test_a_status_for_machines(robot: Robot) -> None:
    status = json.loads(robot.ok("curl -s http://127.0.0.1:8080/api/status"))
    assert "front" in status["cameras"]
