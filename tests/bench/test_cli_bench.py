"""``edge-segnet bench`` as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_segnet.bench.report import Report
from tests.support.command import Done, edge_segnet
from tests.support.mjpeg_camera import MjpegCamera

QUICK = ("--seconds", "0.4", "--warmup", "0.05", "--backend", "onnx")


def bench(model: Path, folder: Path, *flags: str | Path) -> Done:
    return edge_segnet("bench", "-m", model, *QUICK, *flags, folder=folder)


def test_the_memory_of_who_starts_it_is_not_its_own() -> None:
    large = bytearray(b"x") * 400_000_000
    line = "from edge_segnet.cli.bench import peak_rss_mb; print(peak_rss_mb())"
    told = float(subprocess.run([sys.executable, "-c", line], stdout=subprocess.PIPE, check=True).stdout)
    assert 10 < told < 300 < len(large) / 1e6


def test_a_run(model: Path, frames: Path, tmp_path: Path) -> None:
    done = bench(model, tmp_path, "--source", frames, "--rate", "100", "--json", "run.json")
    assert done.code == 0, done.err
    document = json.loads((tmp_path / "run.json").read_bytes())
    Report.model_validate(document)
    assert set(document["phases"]) == {"back_to_back", "paced"}
    assert document["provenance"]["source_kind"] == "memory" and document["provenance"]["arguments"]["rate"] == 100
    assert document["bare"]["what"] == "one run of the network" and document["agreement"] is None
    assert document["cold_start"]["imports_ms"] > 0 and document["memory"]["peak_rss_mb"] > 10
    for shown in ("back to back, n = ", "paced at 100", "whole frame", "bare network", "loop over bare", "cold start"):
        assert shown in done.out
    assert "too few" in done.out  # p99.9 of a fraction of a second


def test_json_on_standard_output_is_one_document(model: Path, tmp_path: Path) -> None:
    done = bench(model, tmp_path, "--json", "-")
    assert done.code == 0 and len(done.documents) == 1 and "whole frame" in done.err


def test_a_budget_that_is_kept_and_one_that_is_not(model: Path, frames: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("phases.back_to_back.fps: {min: 0.1}\n", encoding="ascii")
    bad.write_text("phases.back_to_back.fps: {min: 1000000}\nmemory.peak_rss_mb: {max: 1}\n", encoding="ascii")
    done = bench(model, tmp_path, "--source", frames, "--budget", good)
    assert done.code == 0 and "met" in done.out
    done = bench(model, tmp_path, "--source", frames, "--budget", bad, "--json", "kept.json")
    assert done.code == 7 and "missed" in done.out
    assert done.errors[0].endswith("phases.back_to_back.fps >= 1e+06 (and 1 more): see the table")
    assert (tmp_path / "kept.json").exists(), "what was measured is written before the verdict"


def test_a_plot(model: Path, frames: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: bench)")
    done = bench(model, tmp_path, "--source", frames, "--plot", "run.png", "--rate", "100")
    assert done.code == 0 and (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


def test_comparing(model: Path, frames: Path, tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        bench(model, tmp_path, "--source", frames, "--json", name)
    done = edge_segnet("bench", "--compare", "a.json", "b.json", folder=tmp_path)
    assert done.code == 0 and "back_to_back latency p50" in done.out, done.err
    assert "not the same" not in done.out


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--rate", "0"], 2, "--rate 0.0: not a rate"),
        (["--rate", "nan"], 2, "--rate nan: not a rate"),
        (["--seconds", "0"], 2, "seconds"),
        (["--backend", "cuda"], 2, "--backend cuda: unknown"),
        (["--source", "nothing.mp4"], 4, "nothing.mp4: no such file"),
        (["--source", "rtsp4://u:p@h"], 2, "unknown scheme"),
        (["--budget", "nothing.yaml"], 2, "nothing.yaml: No such file"),
        (["--compare", "a.json", "b.json"], 4, "a.json: No such file"),
        (["--model", "none"], 3, "none: no such model"),
        (["--json", "/proc/x/y"], 4, "can't be written"),
    ],
)
def test_what_is_refused(flags: list[str], code: int, message: str, model: Path, tmp_path: Path) -> None:
    done = edge_segnet("bench", "-m", model, *QUICK, *flags, folder=tmp_path)
    assert done.code == code, done.err
    assert message in done.errors[0] and "u:p" not in done.err


def test_a_live_camera_that_is_missing(model: Path, tmp_path: Path) -> None:
    done = bench(model, tmp_path, "--source", "57")
    assert done.code == 4 and "57" in done.error


def test_a_live_camera(model: Path, tmp_path: Path) -> None:
    """Frames come when the camera has them, and its password stays here."""
    with MjpegCamera(user="me", password="s3cret") as camera:
        done = bench(model, tmp_path, "--source", camera.url, "--json", "-")
    assert done.code == 0, done.err
    facts = done.documents[0]["provenance"]
    assert facts["source_kind"] == "live" and "s3cret" not in done.out + done.err
    capture = done.documents[0]["phases"]["back_to_back"]["stages_ms"]["capture"]
    assert capture["n"] > 1 and capture["max"] > 1.0  # the loop waits for the camera
