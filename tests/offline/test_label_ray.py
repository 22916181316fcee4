"""``edge-segnet label --engine ray`` on a local Ray: the same labels, and Ray on what we write and record."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.offline.test_label import labels_of, mixed, rows_in
from tests.support import drives
from tests.support.command import edge_segnet
from tests.support.recordings import files_in, play, recording
from tests.support.service import StreetService
from tests.support.waiting import wait_until

pytest.importorskip("ray", reason="Ray is not installed")
READ = """
import sys, ray, ray.data
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
rows = ray.data.read_mcap(sys.argv[1])
rows.select_columns(["topic", "log_time"]).write_parquet(sys.argv[2])
print("rows", rows.count(), ray.data.read_parquet(sys.argv[2]).count())
"""


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """A program that starts a Ray of its own; skips where that does not come up, which Ray gives 30 s."""
    environment = {**os.environ, "RAY_TMPDIR": "/tmp", "RAY_USAGE_STATS_ENABLED": "0"}  # sockets' paths must be short
    words = [sys.executable, *map(str, command)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=150, check=False, env=environment)
    except subprocess.TimeoutExpired:
        pytest.skip("Ray takes more than 150 s on this machine")
    if "timed out during startup" in done.stderr:
        pytest.skip("Ray does not start within its own 30 s on this machine")
    return done


def label(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run("-m", "edge_segnet", "label", *arguments)


def test_ray_gives_the_same_labels_and_names_what_is_damaged(model: Path, tmp_path: Path) -> None:
    fleet = mixed(tmp_path / "fleet")
    assert label(fleet, "-m", model, "-o", tmp_path / "local").returncode == 0
    (broken := fleet / "r1" / "broken.mcap").write_bytes(b"\x89MCAP0\r\n\1\2\3")
    done = label(fleet, "-m", model, "-o", tmp_path / "ray", "--engine", "ray", "--workers", "2")
    assert done.returncode == 5 and str(broken) in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert labels_of(tmp_path / "local") == labels_of(tmp_path / "ray")
    assert rows_in(tmp_path / "local") == rows_in(tmp_path / "ray")


def test_ray_reads_our_recordings(tmp_path: Path) -> None:
    with recording(tmp_path / "drive", StreetService()) as sink:
        play(sink, 4)
        wait_until(lambda: sink.status()["written"] >= 4 * 3)
    (path,) = files_in(tmp_path / "drive")
    done = run("-c", READ, path, tmp_path / "parquet")
    assert done.returncode == 0, done.stderr
    read, written = done.stdout.split()[-2:]
    assert int(read) == int(written) >= 4 * 3


def test_a_cluster_that_goes_away_is_one_line_and_what_is_done_stays(model: Path, tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    for number in range(60):
        topics = {"/front": drives.compressed(drives.pictures(40, first=40 * number), "png")}
        drives.write_mcap(tmp_path / f"{number}.mcap", topics)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "edge_segnet", "label", str(tmp_path), "-m", str(model), "-o", str(out)]
    environment = {**os.environ, "RAY_TMPDIR": "/tmp", "RAY_gcs_rpc_server_reconnect_timeout_s": "2"}
    with subprocess.Popen(
        [*command, "--engine", "ray", "--workers", "1"], stderr=subprocess.PIPE, text=True, env=environment
    ) as driver:
        wait_until(lambda: bool(list(out.glob("frames/*/*.parquet"))) or driver.poll() is not None, 120)
        found = psutil.Process(driver.pid).children(recursive=True)
        for process in found:
            if process.name() in ("gcs_server", "raylet"):
                process.kill()
        _, told = driver.communicate(timeout=60)
    assert driver.returncode == 4 and "Traceback" not in told, told
    assert "error: the Ray cluster went away" in told or "error: Ray gave up" in told, told
    assert len(rows_in(out)) >= 40
    assert edge_segnet("label", tmp_path, "-m", model, "-o", out, "--resume").code == 0
    assert len(rows_in(out)) == 60 * 40


def test_a_cluster_that_is_not_there_is_one_line(model: Path, tmp_path: Path) -> None:
    fleet = mixed(tmp_path / "fleet")
    done = label(fleet, "-m", model, "-o", tmp_path / "out", "--engine", "ray", "--address", "127.0.0.1:9")
    assert done.returncode == 4 and "Ray can't be reached" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
