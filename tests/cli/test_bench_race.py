"""``bench --backend all``: real runtimes in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_segnet.cli import race
from tests.support.command import edge_segnet
from tests.support.int8 import save_int8


def test_every_runtime_here_races(model: Path, photo: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed (extra: openvino)")
    out = tmp_path / "race.json"
    flags = ["--model", str(model), "--backend", "all", "--source", str(photo), "--json", str(out)]
    flags += ["--seconds", "0.3", "--warmup", "0"]
    # Nine processes one after the other: more than a command of the fork server may take on a busy machine.
    command = [sys.executable, "-m", "edge_segnet", "bench", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    document = json.loads(out.read_text())
    backends = [racer["backend"] for racer in document["race"]]
    assert backends[:2] == ["onnx", "openvino"] and document["turns"] == 3
    assert all(racer["network_ms"]["n"] > 0 for racer in document["race"])
    alike = {racer["backend"]: racer["agreement"] for racer in document["race"]}
    assert alike["onnx"] is None and alike["openvino"]["share"] > 0.99
    assert "against onnx" in done.stdout and "1.00 x" in done.stdout


def test_a_model_that_nobody_runs_is_one_line(tmp_path: Path) -> None:
    done = edge_segnet("bench", "--model", str(tmp_path / "none.onnx"), "--backend", "all", "--seconds", "0.1")
    assert done.code == 3 and "no runtime here runs the model" in done.err and "no such model" in done.err


def test_a_race_has_no_rate(model: Path) -> None:
    done = edge_segnet("bench", "--model", str(model), "--backend", "all", "--rate", "5")
    assert done.code == 2 and "no --rate" in done.err


def test_an_int8_form_races_beside_its_model(model: Path, tmp_path: Path) -> None:
    int8 = save_int8(tmp_path / "int8.onnx")
    found = race.entrants(str(model), int8)
    whole = [one for one in found if one.model == str(int8)]
    assert {one.backend for one in whole} == {one.backend for one in found if one.model == str(model)}
    assert all(one.flags[-2:] == ["--reference", str(model)] for one in whole)
    assert [one.precision for one in race.entrants(str(int8)) if one.backend == "openvino"] in ([], ["auto"])
    done = edge_segnet("bench", "--model", str(model), "--backend", "all", "--int8", str(model))
    assert done.code == 3 and "no INT8 model" in done.err
    done = edge_segnet("bench", "--model", str(model), "--int8", str(int8))
    assert done.code == 2 and "--int8 is for --backend all" in done.err
