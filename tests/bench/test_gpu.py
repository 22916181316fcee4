"""``make gpu``: without a GPU it says so; on a driver without a GPU its steps run, and a cut run leaves its part."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import __main__ as command
from benchmarks.gpu.steps import STEPS, Step
from edge_segnet.core.errors import ModelError
from edge_segnet.cuda.probe import find_gpu
from tests.cuda import standin


def test_without_a_gpu_everything_is_unmeasured_with_the_reason(tmp_path: Path) -> None:
    try:
        find_gpu()
    except ModelError as error:
        reason = str(error)
    else:
        pytest.skip("there is a GPU")
    path = tmp_path / "gpu.json"
    run = [sys.executable, "-m", "benchmarks.gpu", "--json", str(path)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "unmeasured" in done.stdout, done.stdout + done.stderr
    steps = json.loads(path.read_text(encoding="utf-8"))["steps"]
    assert len(steps) == len(STEPS)
    assert all(step == {"state": "unmeasured", "reason": reason} for step in steps.values())


def test_its_steps_on_a_driver_without_a_gpu(tmp_path: Path) -> None:
    """The loop runs with and without graphs; what a machine lacks is said. Exit code 7: bounds are for GPUs."""
    if skipped := standin.build(tmp_path, "cuda-bindings"):
        pytest.skip(skipped)
    path = tmp_path / "gpu.json"
    steps = ["loop, cuda-bindings", "FP16", "batches", "INT8"]
    done = standin.run(tmp_path, "-m", "benchmarks.gpu", "--json", str(path), "--repeats", "2", *steps)
    assert done.returncode in (0, 7), done.stdout + done.stderr
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["gpu"]["name"] == "Stand-in"
    assert [step["state"] for step in found["steps"].values()] == 3 * ["measured"] + ["unmeasured"], found
    names = [figure["name"] for figure in found["steps"]["loop, cuda-bindings"]["figures"]]
    assert any("depth 2, graphs; tensorrt 10.3.0" in name for name in names)
    assert sum(name.startswith("loop over the network alone") for name in names) == 2
    assert found["steps"]["FP16"]["figures"][0]["met"]
    batches = {figure["name"]: figure for figure in found["steps"]["batches"]["figures"]}
    for count in range(2, 5):
        assert batches[f"labels as alone, {count} at once (tensorrt 10.3.0)"]["value"] == 100.0
        assert batches[f"age, {count} at once (tensorrt 10.3.0)"]["value"] > 0.0
    assert "frames/s, 4 at once over one (tensorrt 10.3.0)" in batches


def test_a_step_that_takes_too_long_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STEPS, "FP16", Step(0.05, STEPS["FP16"].run))
    monkeypatch.setattr(command, "_gpu", lambda: {"name": "a card"})
    monkeypatch.setattr(sys, "argv", ["gpu", "--json", str(tmp_path / "gpu.json"), "FP16", "INT8"])
    assert command.main() == 1
    steps = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))["steps"]
    assert steps["FP16"]["reason"] == "not done after 0 s" and steps["INT8"]["state"] == "unmeasured"


def test_all_steps_fit_into_the_whole() -> None:
    assert sum(step.limit_s for step in STEPS.values()) <= command.BUDGET_S == 480
