"""Who runs a model: TensorRT where it can, the CPU where that is allowed, and never silently."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from edge_segnet.backends.model import BackendOptions, open_backend, read_model
from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.core.errors import ModelError
from edge_segnet.cuda.probe import NoGpu, find_gpu
from edge_segnet.engine.load import find_engine
from edge_segnet.engine.trust import remember
from edge_segnet.graph import card as cards
from edge_segnet.graph.model_files import OnnxModel
from tests.backends.test_onnx_backend import frame_of
from tests.conftest import picture
from tests.engine.engines import forge
from tests.support.command import edge_segnet
from tests.support.models import save_tiny


@pytest.fixture
def onnx_model(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OnnxModel:
    """A model, and a working folder without engines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return cards.load(str(model))


def without_a_gpu() -> None:
    try:
        find_gpu()
    except NoGpu:
        return
    pytest.skip("there is a GPU")


def test_auto_warns_once_and_says_why(onnx_model: OnnxModel, caplog: pytest.LogCaptureFixture) -> None:
    without_a_gpu()
    backend = open_backend(onnx_model)
    assert backend.name == "onnx"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.messages[0].startswith("warning: running on the CPU, not on TensorRT: no NVIDIA")
    backend.infer([frame_of(picture(64, 48))])
    assert len(caplog.records) == 1


def test_onnx_does_not_warn(onnx_model: OnnxModel, caplog: pytest.LogCaptureFixture) -> None:
    assert open_backend(onnx_model, "onnx").name == "onnx" and caplog.records == []


def test_tensorrt_fails_hard_and_says_what_to_do(onnx_model: OnnxModel) -> None:
    with pytest.raises(
        ModelError, match=r"no engine .*state/engines/tiny\.engine or engines/tiny\.engine.*build-engine"
    ):
        find_engine(onnx_model)
    without_a_gpu()
    with pytest.raises(NoGpu, match=r"no NVIDIA driver on this machine.*--backend onnx"):
        open_backend(onnx_model, "tensorrt")


def test_tensorrt_falls_back_where_that_is_allowed(onnx_model: OnnxModel, caplog: pytest.LogCaptureFixture) -> None:
    assert open_backend(onnx_model, "tensorrt", BackendOptions(fallback=True)).name == "onnx"
    assert "no engine" in caplog.messages[0] and len(caplog.records) == 1


def test_the_services_engines_come_first(onnx_model: OnnxModel, model: Path, tmp_path: Path) -> None:
    forge(tmp_path / "engines" / "tiny.engine", model)
    assert find_engine(onnx_model) == Path("engines/tiny.engine")
    forge(tmp_path / "state" / "engines" / "tiny.engine", model)
    assert find_engine(onnx_model) == tmp_path / "state" / "engines" / "tiny.engine"


def test_an_engine_that_somebody_left_here_is_not_loaded(
    onnx_model: OnnxModel, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = tmp_path / "engines" / "tiny.engine"
    forge(engine, model, trusted=False)
    with pytest.raises(ModelError, match=r"not built by this user, and an engine is native code: build it here"):
        find_engine(onnx_model)
    assert open_backend(onnx_model, "tensorrt", BackendOptions(fallback=True)).name == "onnx"
    assert "not built by this user" in caplog.messages[0]
    remember(engine)
    listed = tmp_path / "state" / "trusted-engines"
    assert find_engine(onnx_model) == Path("engines/tiny.engine") and listed.stat().st_mode & 0o777 == 0o600
    forge(engine, model, version="10.4.0", trusted=False)  # another one in its place
    with pytest.raises(ModelError, match="not built by this user"):
        find_engine(onnx_model)
    listed.chmod(0o666)
    remember(engine)
    assert read_model("engines/tiny.engine").card.size == (64, 48)  # named by its path


def test_a_bad_engine_is_not_covered_up(onnx_model: OnnxModel, model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "engines" / "tiny.engine"
    forge(engine, model)
    engine.write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"tiny\.engine: SHA-256"):
        open_backend(onnx_model, "tensorrt")
    save_tiny(tmp_path / "tiny.onnx", licence="another")
    forge(engine, model)
    with pytest.raises(ModelError, match="stale, it was built from another"):
        open_backend(cards.load("tiny.onnx"), "tensorrt")


def test_an_engine_file_as_the_model(onnx_model: OnnxModel, model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "tiny.engine"
    forge(engine, model)
    described = read_model("tiny.engine")
    assert described.card.classes == onnx_model.card.classes and described.card.size == (64, 48)
    frame = frame_of(picture(64, 48))
    served = open_backend(described, "onnx")  # from the model that it was built from
    assert np.array_equal(served.infer([frame])[0].labels, OnnxBackend(onnx_model).infer([frame])[0].labels)
    with pytest.raises(ModelError):
        open_backend(described, "tensorrt")


def test_an_engine_whose_model_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = save_tiny(tmp_path / "tiny.onnx")
    forge(tmp_path / "tiny.engine", model)
    described = read_model("tiny.engine")
    save_tiny(model, licence="another")
    with pytest.raises(ModelError, match="not the file any more"):
        open_backend(described, "onnx")
    model.unlink()
    with pytest.raises(ModelError, match="no such model"):
        open_backend(described, "onnx")


def test_commands_take_engines_and_say_what_is_wrong(photo: Path, model: Path, tmp_path: Path) -> None:
    forge(tmp_path / "tiny.engine", model)
    done = edge_segnet("segment", photo, "-m", "tiny.engine", "--backend", "onnx", "--counts", folder=tmp_path)
    assert done.code == 0 and "Sky" in done.out
    done = edge_segnet("segment", photo, "-m", "tiny.engine", "--size", "96x64", "--counts", folder=tmp_path)
    assert done.code == 3 and "is built for 64x48: build another: edge-segnet build-engine --size 96x64" in done.error
    (tmp_path / "tiny.engine").write_bytes(b"x")
    done = edge_segnet("segment", photo, "-m", "tiny.engine", "--backend", "tensorrt", "--counts", folder=tmp_path)
    assert done.code == 3 and "SHA-256" in done.error
    done = edge_segnet("segment", photo, "-m", "none.engine", "--counts", folder=tmp_path)
    assert done.code == 3 and "none.json: No such file or directory: build it with" in done.error
