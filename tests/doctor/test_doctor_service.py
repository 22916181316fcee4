"""Checks of the settings, the unit and the ports: with files, a systemctl of our own, and real sockets."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_segnet.doctor import context as contexts
from edge_segnet.doctor import ports, rights, settings, systemd, unit
from edge_segnet.doctor.account import Account
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.place import Place
from edge_segnet.doctor.report import Finding
from edge_segnet.doctor.systemd import Unit
from edge_segnet.sinks.http.settings import HttpConfig
from edge_segnet.sinks.registry import configured
from edge_segnet.sinks.rtsp.settings import RtspConfig
from tests.support.program import program

ACTIVE = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "StatusText": "front 29.9 frames/s",
}
FIREWALL = {"IPAddressDeny": "0.0.0.0/0 ::/0", "IPAddressAllow": "127.0.0.0/8 ::1/128 10.0.0.0/8 fe80::/10"}


def judged(**properties: str) -> Finding:
    (finding,) = unit.check(Context(unit=Unit({**ACTIVE, **properties})))
    return finding


def test_a_unit_at_work() -> None:
    assert judged().seen == "active (running): front 29.9 frames/s" and judged().status == "green"
    assert "not at the next boot" in judged(UnitFileState="disabled").seen
    stopped = judged(ActiveState="inactive", SubState="dead")
    assert stopped.status == "yellow" and stopped.remedy == "sudo systemctl start edge-segnet"
    assert "enable --now" in judged(ActiveState="inactive", SubState="dead", UnitFileState="disabled").remedy
    again = judged(ActiveState="activating", SubState="auto-restart", Result="exit-code", ExecMainStatus="6")
    assert again.status == "yellow" and "the GPU was lost" in again.seen


@pytest.mark.parametrize(
    ("result", "status", "code", "words"),
    [
        ("exit-code", "2", 2, "wrong settings"),
        ("exit-code", "3", 3, "model or engine"),
        ("exit-code", "203", 2, "ExecStart="),
        ("exit-code", "217", 2, "user is missing"),
        ("exit-code", "243", 2, "token is missing"),
        ("oom-kill", "9", 7, "more memory"),
        ("watchdog", "6", 7, "no loop made progress"),
        ("signal", "11", 4, "signal"),
    ],
)
def test_a_failed_unit_says_why(result: str, status: str, code: int, words: str) -> None:
    finding = judged(ActiveState="failed", SubState="failed", Result=result, ExecMainStatus=status)
    assert (finding.status, finding.exit_code) == ("red", code) and words in finding.seen
    assert finding.remedy.endswith("sudo systemctl restart edge-segnet")


def test_without_systemd_or_without_the_unit(tmp_path: Path) -> None:
    assert systemd.read(Place(tmp_path)) is None
    for given in (None, Unit({"LoadState": "not-found"})):
        (finding,) = unit.check(Context(unit=given))
        assert finding.status == "grey"


def test_what_systemctl_says_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program_file = tmp_path / "systemctl"
    lines = "\\n".join(["LoadState=loaded", "User=nobody", "SupplementaryGroups=", "StatusText=a=b", "MainPID=7"])
    program_file.write_text(f'#!/bin/sh\n[ "$1 $2" = "show edge-segnet.service" ] && printf "{lines}\\n"\n')
    program_file.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    context = contexts.gather(Place(tmp_path), None)
    assert context.unit is not None and context.unit.installed and context.unit.main_pid == 7
    assert context.unit["StatusText"] == "a=b" and context.user.name == "nobody" and not context.user.asking


def test_the_last_error_in_the_log_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = tmp_path / "journalctl"
    lines = ["error: older", "edge-segnet: error: rtsp://u:pw@cam/1: no such model", "Failed with result 'exit-code'."]
    said = "; ".join(f'echo "{line}"' for line in lines)
    journal.write_text(f'#!/bin/sh\n[ "$1 $2" = "-u edge-segnet.service" ] && {{ {said}; }}\n')
    journal.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    finding = judged(ActiveState="failed", SubState="failed", Result="exit-code", ExecMainStatus="3")
    assert finding.seen.endswith("(exit code 3); it said: edge-segnet: error: rtsp://cam/1: no such model")


def test_a_unit_whose_user_is_missing() -> None:
    (finding,) = rights.check(Context(unit=Unit({**ACTIVE, "User": "no-such-user"})))
    assert finding.exit_code == 2 and finding.remedy == "sudo systemd-sysusers"


def test_the_units_firewall() -> None:
    closed = Unit({**ACTIVE, **FIREWALL})
    assert [closed.refuses(address) for address in ("10.1.2.3", "::1", "203.0.113.7", "2001:db8::1")] == [
        False,
        False,
        True,
        True,
    ]
    assert not Unit(ACTIVE).refuses("203.0.113.7")


def of_file(path: Path, text: str, user: Account | None = None) -> list[Finding]:
    path.write_text(text)
    read = contexts.read_settings(Place(), path)
    context = Context(read.place, read.config, path, read.fault, user=user or read.user)
    return [*settings.check(context), *settings.check_sections(context)]


def test_settings_with_passwords_are_for_few(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.touch(0o644)
    path.chmod(0o644)
    findings = of_file(path, "cameras: {front: {source: 'rtsp://u:secret@cam/1'}}")
    assert [finding.status for finding in findings] == ["green", "yellow"] and "passwords" in findings[1].seen
    assert [finding.status for finding in of_file(path, "cameras: {front: {source: 'rtsp://cam/1'}}")] == ["green"]


def test_settings_that_the_service_may_not_read(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").touch(0o600)
    (tmp_path / "c.yaml").chmod(0o600)
    _, closed = of_file(tmp_path / "c.yaml", "", Account("robot", 54321, frozenset(), asking=False))
    assert closed.exit_code == 2 and "robot may not read" in closed.seen and "chmod 640" in closed.remedy


def test_tokens_and_certificates(tmp_path: Path) -> None:
    path, token = tmp_path / "c.yaml", tmp_path / "token"
    text = f"http: {{host: 0.0.0.0, auth: {{token_file: {token}}}, tls: {{certificate: {token}, key: {token}}}}}\n"
    missing, tls = [finding for finding in of_file(path, text) if finding.check == "secrets"]
    assert missing.exit_code == 2 and f"{path}:1: http.auth.token_file" in missing.seen
    assert tls.exit_code == 2 and f"{path}:1: http.tls" in tls.seen
    handed = of_file(path, "http: {host: 0.0.0.0, auth: {token_credential: token}}")
    assert handed[-1].status == "grey" and "CREDENTIALS_DIRECTORY" in handed[-1].seen
    (open_to_all,) = [one for one in of_file(path, "http: {host: 0.0.0.0}") if one.check == "secrets"]
    assert open_to_all.exit_code == 2 and "auth is not set" in open_to_all.seen
    token.write_text("0123456789abcdef")
    token.chmod(0o600)
    good = of_file(path, f"http: {{host: 0.0.0.0, auth: {{token_file: {token}}}}}")
    assert good[-1].seen == "tokens and certificates are usable: http"


@pytest.mark.skipif(importlib.util.find_spec("rclpy") is not None, reason="ROS 2 is here")
def test_a_section_whose_module_is_missing(tmp_path: Path) -> None:
    (missing,) = [one for one in of_file(tmp_path / "c.yaml", "ros2: {}") if one.check == "section"]
    assert missing.exit_code == 2 and missing.subject == "ros2" and "rclpy" in missing.seen


def port(config: HttpConfig, service: Unit | None = None, user: Account | None = None) -> Finding:
    base = Context(config=configured(http=config), unit=service)
    context = base if user is None else Context(config=configured(http=config), unit=service, user=user)
    (finding,) = ports.check(context)
    return finding


@pytest.fixture
def held() -> Iterator[tuple[int, int]]:
    """(port, process): another program listens."""
    code = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)"
    code += "; time.sleep(99)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        yield int(other.stdout.readline()), other.pid
        other.kill()


def test_ports(held: tuple[int, int]) -> None:
    number, pid = held
    taken = port(HttpConfig(port=number))
    assert (taken.status, taken.exit_code) == ("red", 4) and f"taken by process {pid} (python" in taken.seen
    assert port(HttpConfig(port=number), Unit({"MainPID": str(pid)})).status == "green", "the service's own"
    assert port(HttpConfig(port=0)).seen == "127.0.0.1: any free port"
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    assert port(HttpConfig(port=free)).status == "green"
    assert "Cannot assign" in port(HttpConfig(host="192.0.2.1", auth="none")).seen
    robot = Account("robot", 54321, frozenset(), asking=False)
    low = port(HttpConfig(port=1), user=robot)
    reserved = Place().number("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    assert (low.status == "red" and "robot is not" in low.seen) or (reserved is not None and reserved <= 1)
    (free_port, rtsp) = ports.check(Context(config=configured(http=HttpConfig(port=0), rtsp=RtspConfig(port=0))))
    assert free_port.subject == "http" and rtsp.subject == "rtsp"


def test_a_running_service_is_asked_whether_it_is_ready() -> None:
    with program("--set", "size=160x128") as service:
        number = int(service.url.rpartition(":")[2])
        finding = port(HttpConfig(port=number))
        assert finding.status == "green" and finding.seen.endswith(f"(process {service.process.pid}), which is ready")
