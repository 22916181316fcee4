"""Models are read in a process of their own: what it gives, what it refuses, what it may cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_segnet.backends import reading
from edge_segnet.backends.model import read_apart, read_model
from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.core.errors import ModelError
from edge_segnet.graph.card import LoweredModel, OnnxModel
from tests.support.models import save_tiny
from tests.support.results import frame_of


@pytest.mark.parametrize("size", [None, (96, 64)])
def test_it_is_the_model_that_is_read_here(tmp_path: Path, size: tuple[int, int] | None) -> None:
    path = str(save_tiny(tmp_path / "tiny.onnx"))
    here, apart = read_model(path, size), read_apart(path, size, kind="onnx")
    assert isinstance(here, OnnxModel) and isinstance(apart, LoweredModel)
    assert apart.card == here.card and apart.sha256 == here.sha256 and apart.path == here.path
    assert apart.graphs == {"onnxruntime": reading.graph_for(here, "onnxruntime")}
    frame = frame_of(7, size=here.card.size)
    assert np.array_equal(OnnxBackend(apart).infer([frame])[0].labels, OnnxBackend(here).infer([frame])[0].labels)


def test_both_runtimes_may_be_asked_for(tmp_path: Path) -> None:
    path = save_tiny(tmp_path / "tiny.onnx")
    assert set(reading.read(str(path), None, ("onnxruntime", "openvino")).graphs) == {"onnxruntime", "openvino"}
    assert reading.targets("onnx") == ("onnxruntime",) and reading.targets("openvino") == ("openvino",)


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_a_refusal_is_told_as_it_is_here(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError) as here:
        read_model(str(path))
    with pytest.raises(ModelError) as apart:
        read_apart(str(path))
    assert str(apart.value) == str(here.value)


def test_a_process_that_dies_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_tiny(tmp_path / "tiny.onnx")
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))  # no interpreter can start
    with pytest.raises(ModelError, match=r"the process that read it ended by itself \(exit code \d+\)"):
        read_apart(str(path))
