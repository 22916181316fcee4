"""OpenVINO as a backend, and the race for ``auto``: with OpenVINO itself."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge_segnet.backends import race
from edge_segnet.backends.model import BackendOptions, open_backend, read_model
from edge_segnet.backends.onnx import CpuOptions
from edge_segnet.core.errors import ModelError
from edge_segnet.core.files import cache_folder
from edge_segnet.core.types import Backend, Frame, Segmentation
from edge_segnet.engine.golden import agreement, golden_frame
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.service.model import Loaded
from tests.support.models import save_tiny

openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed (extra: openvino)")
SIZE = (160, 128)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("CACHE_DIRECTORY", str(folder))
    return folder


@pytest.fixture(scope="module")
def lite() -> OnnxModel:
    model = read_model("segnet-lite", SIZE)
    assert isinstance(model, OnnxModel)
    return model


def seen_by(backend: Backend) -> Segmentation:
    image = golden_frame(backend.input_size, "stretch")
    return backend.infer([Frame(image, None, 0, time.monotonic_ns(), time.time(), "test")])[0]


def test_in_float32_it_sees_what_onnx_runtime_sees(lite: OnnxModel) -> None:
    ours = seen_by(open_backend(lite, "onnx"))
    backend = open_backend(lite, "openvino", BackendOptions(precision="fp32"))
    theirs = seen_by(backend)
    assert backend.name == "openvino"
    assert agreement(theirs.labels, ours.labels) > 0.9998
    assert theirs.broken == 0 and np.array_equal(theirs.counts, np.bincount(theirs.labels.ravel(), minlength=12))
    assert theirs.low_margin == pytest.approx(ours.low_margin, abs=1e-3)
    assert theirs.winning == pytest.approx(ours.winning, rel=1e-3)
    assert not theirs.labels.flags.writeable


def test_the_precision_of_this_processor_stands_in_the_name(lite: OnnxModel) -> None:
    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    backend = open_backend(lite, "openvino")
    wanted = "openvino-bf16" if "BF16" in able else "openvino-fp16" if "FP16" in able else "openvino"
    assert backend.name == wanted
    assert agreement(seen_by(backend).labels, seen_by(open_backend(lite, "onnx")).labels) >= 0.99
    if "BF16" not in able:
        with pytest.raises(ModelError, match="does not compute in bf16"):
            open_backend(lite, "openvino", BackendOptions(precision="bf16"))


def test_labels_of_a_frame_are_not_written_by_the_next(lite: OnnxModel) -> None:
    backend = open_backend(lite, "openvino", BackendOptions(precision="fp32"))
    first = seen_by(backend)
    kept = first.labels.copy()
    noise = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    backend.infer([Frame(noise, None, 1, time.monotonic_ns(), time.time(), "test")])
    assert np.array_equal(first.labels, kept)


def test_onnx_runtime_has_one_precision(lite: OnnxModel) -> None:
    with pytest.raises(ModelError, match="computes in fp32 on a CPU, not in bf16"):
        open_backend(lite, "onnx", BackendOptions(precision="bf16"))


def test_the_race_is_run_once(lite: OnnxModel, cache: Path) -> None:
    backend, reason = race.open_quickest(lite, CpuOptions(), "auto")
    kept = json.loads((cache / race.CACHE_FILE).read_text())
    assert "ms" in reason and [outcome["reason"] for outcome in kept.values()] == [reason]
    assert kept.popitem()[1]["runtime"] == backend.name.partition("-")[0]
    again, remembered = race.open_quickest(lite, CpuOptions(), "auto")
    assert (again.name, remembered) == (backend.name, reason), "figures of a second race would differ"


def test_a_damaged_cache_means_a_race(lite: OnnxModel, cache: Path) -> None:
    cache.mkdir()
    (cache / race.CACHE_FILE).write_text('{"x": [')
    race.open_quickest(lite, CpuOptions(), "auto")
    assert len(json.loads((cache / race.CACHE_FILE).read_text())) == 1


def test_a_small_network_stays_with_onnx_runtime(tmp_path: Path) -> None:
    tiny = read_model(str(save_tiny(tmp_path / "tiny.onnx")))
    assert isinstance(tiny, OnnxModel)
    backend, reason = race.open_quickest(tiny, CpuOptions(), "auto")
    assert backend.name == "onnx" and "which is little" in reason


def test_a_cache_that_cannot_be_written_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", "/proc/no-such-place")
    assert cache_folder() is None


def test_the_service_says_why(lite: OnnxModel) -> None:
    backend = open_backend(lite, "auto", BackendOptions(fallback=True))
    assert Loaded(lite.card, backend, 0.1, ()).note.startswith("backend auto: ")


def test_a_runtime_that_ends_the_process_is_not_tried_again(lite: OnnxModel) -> None:
    """As when native code crashes: the process is gone before the race has an outcome."""
    code = (
        "import os\n"
        "from edge_segnet.backends import race\n"
        "from edge_segnet.backends.model import read_model\n"
        "from edge_segnet.backends.onnx import CpuOptions\n"
        "class Falls:\n"
        "    def __init__(self, *_): os.abort()\n"
        "race.OpenVinoBackend = Falls\n"
        f"race.open_quickest(read_model('segnet-lite', {SIZE}), CpuOptions(), 'auto')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGABRT, done.stderr
    backend, reason = race.open_quickest(lite, CpuOptions(), "auto")
    assert backend.name == "onnx" and "brought the program down" in reason
