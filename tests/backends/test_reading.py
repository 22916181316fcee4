"""Models are read in a process of their own: what it gives, what it refuses, what it may cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_segnet.backends import ahead, reading
from edge_segnet.backends.model import read_apart, read_model
from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.backends.segmenter import load
from edge_segnet.cli.bench import Bench
from edge_segnet.cli.build_engine import BuildEngine
from edge_segnet.cli.convert import Convert
from edge_segnet.cli.evaluate import Evaluate
from edge_segnet.cli.segment import Segment
from edge_segnet.core.errors import ModelError
from edge_segnet.graph.model_files import LoweredModel, OnnxModel
from edge_segnet.pictures.files import write_image
from tests.support.models import save_tiny
from tests.support.readers import START
from tests.support.results import frame_of


@pytest.fixture(autouse=True)
def _a_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fork of a warm process."""
    monkeypatch.setattr(ahead, "start", START)


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


READERS: dict[str, Callable[[Path], object]] = {
    "python": lambda path: load(str(path)),
    "read_model": lambda path: read_model(str(path)),
    "segment": lambda path: Segment([str(path.parent)], model=str(path), counts=True).run(),
    "bench": lambda path: Bench(model=str(path)).run(),
    "evaluate": lambda path: Evaluate(images=[path.parent], labels=[path.parent], model=str(path)).run(),
    "build-engine": lambda path: BuildEngine(model=str(path)).run(),
    "convert": lambda path: Convert(path, path.with_name("out.onnx"), target="openvino").run(),
}


@pytest.mark.parametrize("name", READERS)
def test_nobody_reads_a_foreign_file_by_itself(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the process that may not take gigabytes nothing is read at all."""
    path = save_tiny(tmp_path / "tiny.onnx")
    write_image(tmp_path / "a.png", np.zeros((48, 64, 3), np.uint8))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    with pytest.raises(ModelError, match="the process that read it ended by itself"):
        READERS[name](path)
