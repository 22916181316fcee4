"""The program itself: from start to READY, reload, signals, what it says when something is wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.models import save_tiny
from tests.support.program import program
from tests.support.waiting import wait_until

PROGRAM = (sys.executable, "-m", "edge_segnet")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.alone
def test_without_arguments_it_serves_the_street_and_says_where() -> None:
    with program() as service:
        service.wait_ready()
        assert service.url.startswith("http://127.0.0.1:")
        assert service.get("/readyz").status_code == 200
        status = service.get("/api/status").json()
        assert status["model"] == "segnet-lite" and status["backend"].startswith(("onnx", "openvino"))
        wait_until(lambda: service.get("/api/result").status_code == 200)
        result = service.get("/api/result").json()
        assert result["synthetic"] is True and result["source"] == "synthetic://drive"
        assert sum(entry["pixels"] for entry in result["classes"].values()) + result["void_pixels"] == 480 * 360
        assert "<html" in service.get("/").text
        took_s = service.end()
        assert service.process.returncode == 0, service.log
        assert took_s < 10.0
        assert service.heard("STOPPING=1") == 1
        assert all(line.startswith("edge-segnet: ") for line in service.log), service.log


def test_the_watchdog_hears_of_progress(model: Path) -> None:
    with program("-m", model, environment={"WATCHDOG_USEC": "1000000"}) as service:
        service.wait_ready()
        wait_until(lambda: service.heard("WATCHDOG=1") >= 5)
        assert service.heard("STATUS=camera: ") >= 1
        # A stopped process pings no more: the ping does not come from elsewhere.
        service.process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        count = service.heard("WATCHDOG=1")
        time.sleep(1.2)
        assert service.heard("WATCHDOG=1") == count
        service.process.send_signal(signal.SIGCONT)
        wait_until(lambda: service.heard("WATCHDOG=1") > count)


def test_reload_by_signal_and_by_file(model: Path, tmp_path: Path) -> None:
    other = save_tiny(tmp_path / "other.onnx", size=(96, 64))
    config = tmp_path / "c.yaml"
    text = "model: {model}\nhttp: {{port: 0}}\ncameras: {{front: {{source: synthetic://drive}}}}\n"
    config.write_text(text.format(model=model))
    with program("--config", config, "--set", "http.port=0") as service:
        service.wait_ready()
        assert service.get("/api/status").json()["network_size"] == [64, 48]
        config.write_text(text.format(model=other))
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: service.get("/api/status").json()["network_size"] == [96, 64])
        assert service.heard("RELOADING=1") >= 1 and service.heard("MONOTONIC_USEC=") >= 1
        wait_until(lambda: service.heard("READY=1") >= 2)
        config.write_text("modle: x\n")  # noticed without a signal
        wait_until(lambda: not (service.get("/api/status").json()["reload"] or {}).get("ok", True))
        message = service.get("/api/status").json()["reload"]["message"]
        assert message == f"{config}:1: modle: unknown key: did you mean model?"
        assert service.get("/readyz").status_code == 200
        assert any("reload refused" in line for line in service.log)


def state_of(folder: Path) -> dict[str, str]:
    return {"STATE_DIRECTORY": str(folder / "state")}


def reload(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, "reload", *arguments]
    environment = {**os.environ, **state_of(folder), "MAINPID": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, env=environment)


def test_reload_says_how_it_ended(model: Path, tmp_path: Path) -> None:
    other = save_tiny(tmp_path / "other.onnx", size=(96, 64))
    config = tmp_path / "c.yaml"
    text = "model: {model}\nhttp: {{port: 0}}\ncameras: {{front: {{source: synthetic://drive}}}}\n"
    config.write_text(text.format(model=model))
    assert reload(tmp_path).returncode == 2
    with program("--config", config, environment=state_of(tmp_path)) as service:
        service.wait_ready()
        wait_until(lambda: (tmp_path / "state" / "reload.json").exists())
        config.write_text(text.format(model=other))
        done = reload(tmp_path, "--wait")
        assert done.returncode == 0 and "settings reloaded (generation " in done.stderr, done.stderr
        assert service.get("/api/status").json()["network_size"] == [96, 64]
        config.write_text("modle: x\n")
        done = reload(tmp_path, "--wait")
        wanted = f"reload refused, the old settings stay: {config}:1: modle: unknown key: did you mean model?"
        assert done.returncode == 2 and done.stderr == f"edge-segnet: error: {wanted}\n"
        time.sleep(1.5)  # the file's change is noticed, too
        assert sum("reload refused" in line for line in service.log) == 1, service.log
        assert reload(tmp_path).returncode == 0, "without --wait it only asks"
        service.end()
    assert reload(tmp_path, "--wait").returncode == 2


@pytest.mark.alone
@pytest.mark.parametrize("moment", ["beginning", "loading", "frame"])
def test_the_end_comes_within_two_seconds_whatever_works(moment: str, tmp_path: Path) -> None:
    arguments = ("--source", "synthetic://drive", "--set", "size=1280x960", "--set", "backend=onnx")
    with program(*arguments, environment=state_of(tmp_path)) as service:
        wait_until(lambda: service.heard("EXTEND_TIMEOUT_USEC"))
        if moment == "loading":
            wait_until(lambda: any("CC BY-NC" in line for line in service.log))
        elif moment == "frame":
            wait_until(lambda: service.heard("READY=1"), 60)
        took_s = service.end()
        assert service.process.returncode == 0, service.log
        assert took_s < 2.0
        assert not any("Traceback" in line or "terminate called" in line for line in service.log), service.log


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    arguments = ("--source", "synthetic://drive", "--set", "size=1280x960", "--set", "backend=onnx")
    with program(*arguments, environment=state_of(tmp_path)) as service:
        wait_until(lambda: service.heard("READY=1"), 60)
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: service.heard("STOPPING=1"))
        service.end()
        assert service.process.returncode == 128 + signal.SIGTERM


def test_the_watchdog_is_armed_when_it_is_ready_and_knows_slow_frames(tmp_path: Path) -> None:
    arguments = ("--source", "synthetic://drive", "--set", "size=1280x960", "--set", "backend=onnx")
    environment = {**state_of(tmp_path), "WATCHDOG_USEC": "400000"}
    with program(*arguments, environment=environment) as service:
        wait_until(lambda: service.heard("READY=1"), 60)
        wait_until(lambda: service.heard("WATCHDOG=1"), 60)
        told = [line for _, line in service.told]
        assert told[0].startswith("EXTEND_TIMEOUT_USEC="), told
        assert told.index("READY=1") < told.index("WATCHDOG=1")
        patience_s = [int(line.partition("=")[2]) / 1e6 for line in told if line.startswith("WATCHDOG_USEC=")]
        assert told.index(f"WATCHDOG_USEC={int(patience_s[0] * 1e6)}") < told.index("READY=1")
        assert patience_s[0] >= 10.0, "no hang below what the state calls one"


def test_killed_and_started_again_it_gets_its_port_back(model: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for _ in range(2):
        with program("-m", model, "--set", f"http.port={port}") as service:
            service.wait_ready()
            assert service.get("/healthz").status_code == 200
            service.end(signal.SIGKILL)


def test_a_taken_port_is_named_and_the_service_runs_on(model: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with program("-m", model, "--set", f"http.port={port}") as service:
            service.wait_ready()
            assert any(f"port {port}: another program listens there" in line for line in service.log), service.log
            taken.close()
            wait_until(lambda: any("listening on 127.0.0.1" in line for line in service.log))
            assert service.get("/healthz").status_code == 200


def test_ctrl_c(model: Path) -> None:
    with program("-m", model) as service:
        service.wait_ready()
        service.end(signal.SIGINT)
        assert service.process.returncode == 130
        assert not any("Traceback" in line for line in service.log)


def test_a_video_that_ends_ends_the_service(model: Path, video: Path) -> None:
    with program("-m", model, "--source", video) as service:
        service.process.wait(40)
        assert service.process.returncode == 0, service.log
        assert service.log[-1] == "edge-segnet: every source has ended"


def test_a_looped_video_goes_on(model: Path, video: Path) -> None:
    with program("-m", model, "--source", video, "--set", "cameras.camera.loop=true") as service:
        service.wait_ready()
        wait_until(lambda: service.get("/api/status").json()["cameras"]["camera"]["frames"] > 15)


def test_a_camera_that_is_not_there_is_waited_for(model: Path) -> None:
    with program("-m", model, "--source", "v4l2:///dev/video97") as service:
        service.wait_ready()
        camera = service.get("/api/status").json()["cameras"]["camera"]
        assert camera["state"] == "missing" and "97" in camera["message"]
        assert service.get("/api/result").status_code in (404, 503)
        wait_until(lambda: service.heard("STATUS=degraded; camera: missing"))
        assert service.end() < 10.0
        assert service.process.returncode == 0


def test_credentials_appear_nowhere(model: Path) -> None:
    uri = "rtsp://robot:hunter2@127.0.0.1:9/stream"
    with program("-m", model, "--source", uri) as service:
        service.wait_ready()
        shown = service.get("/api/status").text + service.get("/metrics").text + "\n".join(service.log)
        shown += "\n".join(line for _, line in service.told)
    assert "hunter2" not in shown and "rtsp://127.0.0.1:9/stream" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--source", "nothing.mp4"), 4, "nothing.mp4: no such file or folder"),
        (("--source", "ftp://x"), 2, "--source (cameras.camera.source): ftp://: unknown scheme"),
        (("--model", "nothing.onnx"), 3, "nothing.onnx: no such model"),
        (("--backend", "gpu"), 2, "--backend: 'gpu': should be 'auto', 'onnx', 'openvino' or 'tensorrt'"),
        (("--config", "nothing.yaml"), 2, "nothing.yaml: No such file or directory"),
        (("--set", "http.port=1:30"), 2, "--set http.port: 1:30 is no plain number"),
        (("--set", "http.host=0.0.0.0"), 2, "http"),
        (("--refuse-synthetic",), 2, "cameras.camera.source: synthetic://drive is not a camera"),
        (("--size", "auto"), 2, "size: auto needs a rate"),
    ],
)
def test_what_is_wrong_is_one_line(arguments: tuple[str, ...], code: int, said: str) -> None:
    done = run("run", *arguments)
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if "error: " in line]
    assert len(lines) == 1 and said in lines[0], done.stderr
    assert "Traceback" not in done.stderr


def test_check(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("cameras: {front: {source: 0}}\n")
    done = run("run", "--config", config, "--check")
    assert done.returncode == 0 and "good (model segnet-lite, cameras: front)" in done.stderr
    config.write_text("cameras: {front: {source: 0}}\nhttp: {host: 0.0.0.0}\n")
    done = run("run", "--config", config, "--check")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    config.write_text("cameras: {front: {source: 0}}\nmodel: later.onnx\n")
    done = run("run", "--config", config, "--check")
    assert done.returncode == 0 and "later.onnx: no such model yet; 'run' waits for it" in done.stderr


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("size=9000x9000", 2),
        ("size=16x16", 2),
        ("colours=nowhere.png", 2),
        ("model=nothing.onnx", 3),
        ("model={damaged}", 3),
        ("http.host=0.0.0.0", 2),
    ],
)
def test_check_refuses_what_run_refuses(tmp_path: Path, setting: str, code: int) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no model")
    arguments = ("run", "--set", "http=null", "--set", setting.format(damaged=damaged))
    if setting.startswith("model="):
        arguments = ("run", "--set", "http=null", "--model", setting.format(damaged=damaged)[6:])
    ran, checked = run(*arguments), run(*arguments, "--check")
    assert ran.returncode == checked.returncode, (ran.stderr, checked.stderr)
    assert ran.returncode == code or setting.startswith("colours"), ran.stderr
    assert ran.stderr.splitlines()[-1] == checked.stderr.splitlines()[-1]


def test_the_schema() -> None:
    done = run("config", "schema")
    assert done.returncode == 0
    assert json.loads(done.stdout)["properties"]["http"]
