"""The whole program under faults that take their time; each tells what it saw (``make faults`` prints it)."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from mcap.reader import make_reader

from tests.faults.soak import SHORT, soak
from tests.support.program import program
from tests.support.waiting import wait_until

KILLS = int(os.environ.get("EDGE_SEGNET_KILLS", "10"))
"""``make faults`` has 50."""
Property = Callable[[str, object], None]
SETTINGS = """
model: {model}
cameras: {{camera: {{source: "synthetic://drive", rate: 20}}}}
http: {{port: {port}}}
regions: {{all: {{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}}
rules: [{{name: sky, region: all, class: Sky, above: 0.0, clear_below: 0.0}},
        {{name: odd, region: all, class: Road, below: 0.5, clear_above: 0.6}}]
jsonl: {{path: {folder}/lines, free_mb: 0}}
video: {{path: {folder}/videos, free_mb: 0, rate: 20}}
recording: {{path: {folder}/recordings, mode: continuous, free_mb: 0}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def settings(tmp_path: Path, model: Path) -> tuple[Path, int]:
    path, port = tmp_path / "config.yaml", free_port()
    path.write_text(SETTINGS.format(model=model, port=port, folder=tmp_path), encoding="utf-8")
    return path, port


def test_fifty_kills(tmp_path: Path, model: Path, record_property: Property) -> None:
    """Killed at any moment, again and again, with every file open."""
    path, port = settings(tmp_path, model)
    environment = {"STATE_DIRECTORY": str(tmp_path / "state")}
    rng, shown, ready_s = random.Random(1), set(), []
    for _ in range(KILLS):
        with program("--config", path, "--set", f"http.port={port}", environment=environment) as service:
            ready_s.append(service.wait_ready())
            until = time.monotonic() + rng.uniform(0.0, 1.5)
            while time.monotonic() < until:
                with contextlib.suppress(httpx.ConnectError):  # the port is got back a moment later
                    told = httpx.get(f"http://127.0.0.1:{port}/api/events", timeout=5).json()
                    shown |= {event["id"] for event in told["events"]}
            service.end(signal.SIGKILL)
    with program("--config", path, "--set", f"http.port={port}", environment=environment) as service:
        service.wait_ready()
        wait_until(lambda: not list(tmp_path.glob("**/*.part*")))
        kept = {event["id"] for event in service.get("/api/events?limit=1000").json()["events"]}
        service.end()
    unreadable = [file.name for file in files_of(tmp_path) if not items(file)]
    assert shown and not shown - kept and not unreadable, (len(shown - kept), unreadable)
    record_property("seen", f"{KILLS} kills; READY after {max(ready_s):.1f} s at most")
    record_property("lost", f"0 of {len(shown)} events, 0 of {len(files_of(tmp_path))} files")


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("edge-segnet-*") if path.suffix in (".jsonl", ".mkv", ".mcap")]


def items(path: Path) -> int:
    """Lines, messages or pictures that a reader finds in a file."""
    if path.suffix == ".jsonl":
        return len([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
    if path.suffix == ".mcap":
        with path.open("rb") as file:
            return sum(1 for _ in make_reader(file).iter_messages())
    import av

    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


JUMPING = """
import runpy, sys, threading, time
real, jump = time.time, [0.0]
time.time = lambda: real() + jump[0]
def leap():
    for seconds in (3600.0, -3600.0, 3.15e7, -3.15e7, 0.0) * 4:
        time.sleep(0.7)
        jump[0] = seconds
threading.Thread(target=leap, daemon=True).start()
sys.argv = sys.argv[3:]
sys.argv[0] = "edge-segnet"
runpy.run_module("edge_segnet", run_name="__main__")
"""


def test_clock_jumps(tmp_path: Path, model: Path, record_property: Property) -> None:
    path, port = settings(tmp_path, model)
    launcher = (sys.executable, "-c", JUMPING)
    environment = {"STATE_DIRECTORY": str(tmp_path / "state")}
    states, ages = set(), []
    with program("--config", path, "--set", f"http.port={port}", environment=environment, launcher=launcher) as service:
        service.wait_ready()
        until = time.monotonic() + 9.0
        while time.monotonic() < until:
            status = service.get("/api/status").json()
            camera = status["cameras"]["camera"]
            states.add(camera["state"])
            ages += [service.get("/api/result").json()["age_ms"]] if camera["frames"] else []
            time.sleep(0.1)
        assert states <= {"starting", "running"} and camera["reconnects"] == 0
        events = service.get("/api/events?limit=1000").json()["events"]
        service.end()
        assert service.process.returncode == 0
    ids = [event["id"] for event in events][::-1]
    assert ids == sorted(ids) and [event["seq"] for event in events] == sorted((e["seq"] for e in events), reverse=True)
    assert min(ages) >= -1.0 and max(ages) < 2000.0
    record_property("seen", f"always running; ages {min(ages):.0f} to {max(ages):.0f} ms")
    record_property("lost", f"0; {len(ids)} events in order")


def test_a_thousand_connections(tmp_path: Path, model: Path, record_property: Property) -> None:
    path, port = settings(tmp_path, model)
    with program(
        "--config", path, "--set", f"http.port={port}", environment={"STATE_DIRECTORY": str(tmp_path / "state")}
    ) as service:
        service.wait_ready()
        process = psutil.Process(service.process.pid)
        wait_until(lambda: any(tmp_path.glob("lines/*")))
        lines = next(tmp_path.glob("lines/*"))
        before, opened = _rate(lines), []
        grown_mb, files = -process.memory_info().rss / 1e6, process.num_fds()
        try:
            for _ in range(1000):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
                opened.append(one)
            during = _rate(lines)
            files = process.num_fds() - files
            grown_mb += process.memory_info().rss / 1e6
        finally:
            for one in opened:
                one.close()
        wait_until(lambda: service.get("/readyz").status_code == 200)
        refused = service.get("/api/status").json()["sinks"]["http"]["rejected"]
        service.end()
    # The kernel's own queue is full, too: what it drops, the service never sees.
    assert refused > 200 and files < 100 and grown_mb < 60.0 and during > 0.8 * before, (
        refused,
        files,
        grown_mb,
        before,
        during,
    )
    record_property(
        "seen", f"{refused} refused, the kernel dropped the others; {files:+d} descriptors, {grown_mb:+.0f} MB"
    )
    record_property("lost", f"nothing: {during:.0f} frames/s, {before:.0f} before")


def _rate(lines: Path) -> float:
    """Results a second, over three; HTTP is busy otherwise."""
    began, before = time.monotonic(), lines.read_bytes().count(b"\n")
    time.sleep(3.0)
    return (lines.read_bytes().count(b"\n") - before) / (time.monotonic() - began)


def test_a_short_soak(tmp_path: Path, model: Path, record_property: Property) -> None:
    slopes = soak(tmp_path, model, seconds=float(os.environ.get("EDGE_SEGNET_SOAK_S", "40")))
    broken = [slope.line() for slope in slopes if not slope.flat(SHORT)]
    assert not broken, broken
    record_property("seen", "; ".join(slope.line() for slope in slopes[:1]))
    record_property("lost", "threads and descriptors flat")


@pytest.fixture(autouse=True)
def _whole_machine() -> None:
    """These measure: on a machine with nothing to spare they say nothing."""
    if psutil.virtual_memory().available < 1e9:
        pytest.skip("less than 1 GB of memory is free")
