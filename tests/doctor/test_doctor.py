"""The command as people and programs see it: words, JSON, exit codes, what breaks beside it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_segnet.doctor import model
from edge_segnet.doctor.child import isolated
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.report import Finding, Report, green, red, yellow
from edge_segnet.doctor.run import Apart, Task
from edge_segnet.settings.schema import Config
from tests.support.command import edge_segnet
from tests.test_imports import HEAVY, loaded_after

PATIENT = ("--timeout", "50")
"""A busy machine is no fault."""
GOOD = "cameras: {front: {source: 'synthetic://drive'}}\nhttp: {port: 0}\n"
BAD = """
cameras:
  rear: {source: "rtsp://admin:s3cret@127.0.0.1:PORT/stream?token=t0ken"}
  left: {source: "/dev/video9997"}
  tape: {source: "nowhere.mp4"}
http: {host: 192.0.2.1, port: 8080, auth: none}
mqtt: {url: "mqtt://127.0.0.1:PORT", user: me, password_file: PASSWORD}
"""


def asked(folder: Path, text: str) -> tuple[int, dict[str, Any], str]:
    """(exit code, the JSON document, the table) of a doctor with these settings."""
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o640)
    done = edge_segnet("doctor", "--config", path, *PATIENT, "--json", folder / "report.json")
    assert "Traceback" not in done.err, done.err
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert document["exit_code"] == done.code
    return done.code, document, done.out


def of(document: dict[str, Any], check: str, subject: str = "") -> dict[str, Any]:
    """The only finding of a check."""
    (found,) = [one for one in document["checks"] if (one["check"], one["subject"]) == (check, subject)]
    return dict(found)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_good_machine(tmp_path: Path) -> None:
    code, document, table = asked(tmp_path, GOOD)
    assert code == 0, [one for one in document["checks"] if one["status"] == "red"]
    assert document["version"] == 1 and document["config"] == str(tmp_path / "config.yaml")
    assert document["status"] in ("green", "yellow")
    assert sum(document["counts"].values()) == len(document["checks"]) > 15
    for one in document["checks"]:
        assert list(one) == ["check", "status", "seen", "remedy", "subject", "exit_code", "facts"]
        assert one["seen"] and "\n" not in one["seen"]
        assert bool(one["remedy"]) == (one["status"] in ("yellow", "red")), one
        assert not (one["check"] != "clock" and "broke" in one["seen"]), one
    assert of(document, "model runs")["status"] == "green" and of(document, "model runs")["facts"]["milliseconds"] > 0
    assert of(document, "camera", "front")["status"] == "yellow", "a service must not drive by a rendered street"
    assert max(map(len, table.splitlines())) <= 80


def test_many_faults_at_once_and_a_network_that_hangs(tmp_path: Path, silent: int) -> None:
    (tmp_path / "password").write_text("hunter22")
    text = BAD.replace("PORT", str(silent)).replace("PASSWORD", str(tmp_path / "password"))
    code, document, table = asked(tmp_path, text)
    assert code == 4
    assert of(document, "broker")["seen"] == f"127.0.0.1:{silent}: it does not answer"
    assert of(document, "camera", "left")["exit_code"] == of(document, "camera", "tape")["exit_code"] == 4
    assert "Cannot assign" in of(document, "port", "http")["seen"]
    assert of(document, "camera", "rear")["status"] == "green"
    for secret in ("s3cret", "t0ken", "hunter22"):
        assert secret not in table and secret not in json.dumps(document)
    last = [line for line in table.splitlines() if line[:4].strip()][-1]
    assert last.split()[1:2] == ["FAIL,"], "the worst rows are the last, then the summary"
    assert table.index("\nok ") < table.index("\nFAIL ")


def test_settings_that_are_wrong_and_json_on_standard_output(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("cameras: {front: {source: 0, flipp: none}}\n")
    done = edge_segnet("doctor", "--config", "c.yaml", *PATIENT, "--json", "-", folder=tmp_path)
    document = json.loads(done.out)
    assert done.code == document["exit_code"] == 2
    settings = of(document, "settings")
    assert settings["seen"] == "c.yaml:1: cameras.front.flipp: unknown key"
    assert settings["remedy"] == "did you mean flip?"
    assert of(document, "memory")["status"] != "red", "the machine is looked at all the same"
    assert "FAIL  settings" in done.err and done.err.rstrip().endswith("exit code 2")


def test_a_model_that_is_not_there_or_has_not_the_rules_class() -> None:
    (finding,) = model.check(Context(config=Config(model="nosuch.onnx")))
    assert finding.exit_code == 3 and "nosuch.onnx: no such model" in finding.seen
    rules = [{"name": "lost", "region": "ahead", "class": "Rood", "below": 0.4, "frames": 5, "clear_above": 0.5}]
    regions = {"ahead": {"polygon": [[0.3, 0.95], [0.7, 0.95], [0.5, 0.6]]}}
    config = Config.model_validate({"backend": "tensorrt", "regions": regions, "rules": rules})
    found = {one.check: one for one in model.check(Context(config=config))}
    assert found["rules"].exit_code == 2 and "rules[0].class" in found["rules"].seen
    assert found["model runs"].status == "grey", "the CPU is not wanted"


def test_a_library_that_crashes_is_told(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    (tmp_path / "c.yaml").write_text(GOOD)
    command = [sys.executable, "-m", "edge_segnet", "doctor", "--config", "c.yaml", *PATIENT, "--json", "-"]
    variables = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=tmp_path, timeout=60, check=False)
    document = json.loads(done.stdout)
    assert done.returncode == 3 and "died by SIGSEGV" in of(document, "opencv")["seen"]
    assert of(document, "model")["seen"] == "not checked, because of opencv"
    assert of(document, "settings")["status"] == "green"


def test_the_command_itself_loads_nothing_native() -> None:
    native = [name for name in HEAVY if name not in ("numpy", "yaml")]
    assert loaded_after("import edge_segnet.cli.doctor, edge_segnet.doctor.settings", native) == []


def test_a_check_that_breaks_is_one_yellow_line() -> None:
    (finding,) = isolated("heat", "power.no_such_check", Context())
    assert finding.status == "yellow" and "this check broke: AttributeError" in finding.seen and finding.check == "heat"


class Hanging(Task):
    """Finds one thing, then hangs."""

    def __init__(self) -> None:
        super().__init__("hanging")
        self._thread.start()

    def _work(self) -> None:
        self._found.append(green("hanging", "so far"))
        time.sleep(600)


def test_a_check_that_hangs_is_left_behind() -> None:
    good, late = Hanging().wait(time.monotonic() + 0.3)
    assert good.seen == "so far" and late.status == "yellow" and late.seen.startswith("no answer within")


def test_a_process_that_can_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    first, *others = Apart("gpu", Context()).wait(time.monotonic() + 60)
    assert first.check == "gpu" and first.status == "yellow" and "/nowhere/python can't be started" in first.seen
    assert [one.seen for one in others] == ["not checked, because of gpu"] * 3


def report_of(*findings: Finding) -> Report:
    return Report(findings, "0", None, 1.0)


def test_the_exit_code_is_of_what_ends_a_start_first() -> None:
    assert report_of().exit_code == 0 and report_of().worst == "grey"
    assert report_of(yellow("a", "b", "c"), green("a", "b")).exit_code == 0
    found = report_of(red("disk", 7, "full", "empty it"), red("camera", 4, "gone", "plug it in"), yellow("a", "b", "c"))
    assert (found.exit_code, found.worst, found.count("red")) == (4, "red", 2)


def test_no_finding_shows_credentials_or_breaks_its_line() -> None:
    finding = red("camera", 4, "rtsp://u:pw@cam/1?token=abc:\n  \x1b[2Jgone", "rtspsrc user-pw=abc ! fakesink")
    assert finding.seen == "rtsp://cam/1?token=*** [2Jgone" and "abc" not in finding.remedy


def test_a_library_that_hangs_is_left_and_ended(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text(
        "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)\n"
    )
    (tmp_path / "c.yaml").write_text(GOOD)
    command = [sys.executable, "-m", "edge_segnet", "doctor", "--config", "c.yaml", "--timeout", "2", "--json", "-"]
    variables = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=tmp_path, timeout=60, check=False)
    late = [one["check"] for one in json.loads(done.stdout)["checks"] if one["seen"].startswith("no answer within")]
    assert {"onnxruntime", "opencv"} & set(late), "a busy machine may not have come further than that"
    if (tmp_path / "pid").exists():
        assert not Path("/proc", (tmp_path / "pid").read_text()).exists()
