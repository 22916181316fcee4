"""Frames of several cameras at once on a CPU: each gets what it gets alone, and only where it is quicker."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_segnet.backends import together
from edge_segnet.backends.model import BackendOptions, open_backend, read_apart
from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.backends.openvino import OpenVinoBackend, installed
from edge_segnet.backends.race import CpuBackend, Outcome
from edge_segnet.backends.reading import CpuModel
from edge_segnet.backends.together import Together
from edge_segnet.core.types import Frame
from edge_segnet.graph.model_files import LoweredModel, OnnxModel
from edge_segnet.service.model import load
from edge_segnet.sinks.registry import configured
from tests.conftest import picture
from tests.support.models import save_tiny, tiny_model

FRAMES = [Frame(picture(64, 48, seed), None, seed, 0, 0.0, f"camera{seed}") for seed in range(4)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def made() -> OnnxModel:
    return tiny_model()


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_each_frame_gets_what_it_gets_alone(made: OnnxModel, runtime: str) -> None:
    if runtime == "openvino" and not installed():
        pytest.skip("OpenVINO is not installed")
    kind = OnnxBackend if runtime == "onnx" else OpenVinoBackend
    alone, four = kind(made), kind(made, batch=4)
    both = Together(alone, four, "")
    for frames in (FRAMES, FRAMES[:2], FRAMES[3:]):
        for found, frame in zip(both.infer(frames), frames, strict=True):
            (wanted,) = alone.infer([frame])
            assert np.mean(found.labels == wanted.labels) > 0.999
            assert found.counts.sum() == 64 * 48 and not found.labels.flags.writeable
            assert found.winning == pytest.approx(wanted.winning, rel=1e-2)
    assert both.max_batch == 4 and both.name == alone.name
    both.close()


@pytest.mark.parametrize(("worth", "quicker"), [(0.0, True), (1e9, False)])
def test_what_a_trial_finds_is_said_and_kept(
    made: OnnxModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, worth: float, quicker: bool
) -> None:
    caplog.set_level(logging.INFO)
    options = BackendOptions(batch=4)
    monkeypatch.setattr(together, "STEADY", 1e9)  # whatever else this machine does
    monkeypatch.setattr(together, "WORTH", worth)
    first = open_backend(made, "onnx", options)
    monkeypatch.setattr(together, "WORTH", 1e9 - worth)  # another trial would find the contrary
    again = open_backend(made, "onnx", options)
    for backend in (first, again):
        assert backend.max_batch == (4 if quicker else 1)
        assert [found.labels.shape for found in backend.infer(FRAMES)] == [(48, 64)] * 4
        backend.close()
    said = "frames of 4 cameras go together: 4 frames" if quicker else "one frame at a time: 4 frames at once take"
    assert caplog.text.count(said) == 2


def test_a_busy_start_is_asked_again_but_not_for_ever(
    made: OnnxModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tried, real = [], together._tried

    def counted(model: CpuModel, alone: CpuBackend, four: CpuBackend) -> Outcome:
        tried.append(alone.name)
        return real(model, alone, four)

    monkeypatch.setattr(together, "_tried", counted)
    monkeypatch.setattr(together, "STEADY", 0.0)
    for _ in range(together.MAX_DOUBTS + 2):
        open_backend(made, "onnx", BackendOptions(batch=4)).close()
    assert len(tried) == together.MAX_DOUBTS
    assert caplog.text.count("on a busy processor") == together.MAX_DOUBTS + 2, "and what it has says so"


def test_the_other_process_lowers_both(tmp_path: Path) -> None:
    path = save_tiny(tmp_path / "tiny.onnx")
    model = read_apart(str(path), kind="onnx", batch=3)
    assert isinstance(model, LoweredModel) and set(model.together) == {"onnxruntime"} and model.batch == 3
    backend = OnnxBackend(model, batch=3)
    assert len(backend.infer(FRAMES[:3])) == 3
    backend.close()
    one = open_backend(replace(model, together={}), "onnx", BackendOptions(batch=3))
    assert one.max_batch == 1 and "takes one frame at a time" in getattr(one, "batch_because", "")
    one.close()


def test_the_service_says_how_its_cameras_share(tmp_path: Path) -> None:
    path = save_tiny(tmp_path / "tiny.onnx")
    cameras = {name: {"source": "0"} for name in ("left", "right")}
    for given, said in (({"cameras": cameras}, "2 frames at once take"), ({}, "")):
        loaded = load(configured(model=str(path), backend="onnx", **given))
        assert said in loaded.note and ("at once" in loaded.note) == bool(said)
        loaded.backend.close()
