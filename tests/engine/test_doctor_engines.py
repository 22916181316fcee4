"""Engines as doctor sees them, on a machine without a GPU: whole, damaged, stale, or nobody's."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from shutil import copyfile

import pytest

from edge_segnet.doctor import engines, gpu
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.report import Finding
from edge_segnet.engine.trust import remember
from edge_segnet.settings.schema import Config
from tests.support.command import edge_segnet

ENGINE = "engines/tiny.engine"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A folder with tiny.onnx and engines/tiny.engine."""
    if not any(importlib.util.find_spec(name) for name in ("tensorrt_rtx", "tensorrt_rtx_bindings")):
        pytest.skip("needs tensorrt-rtx")
    folder = tmp_path_factory.mktemp("engines")
    copyfile(model, folder / "tiny.onnx")
    done = edge_segnet("build-engine", "tiny.onnx", "--runtime", "tensorrt-rtx", "--out", ENGINE, folder=folder)
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def inside(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Engines are looked for in the state folder first, then here."""
    monkeypatch.setenv("STATE_DIRECTORY", str(built / "state"))
    monkeypatch.chdir(built)
    remember(built / ENGINE)
    return built


def judged(backend: str = "auto") -> Finding:
    config = Config.model_validate({"model": "tiny.onnx", "backend": backend})
    (finding,) = [one for one in engines.check(Context(config=config)) if one.subject]
    return finding


@pytest.mark.usefixtures("inside")
def test_a_whole_engine() -> None:
    finding = judged()
    assert finding.title == "engine tiny.engine" and "tensorrt-rtx" in finding.seen
    (compiler,) = gpu.check_compiler(Context())
    (library,) = gpu.check_tensorrt(Context())
    assert compiler.status == library.status == "green"


def test_damage_and_strangers_rights_are_seen(inside: Path) -> None:
    engine = inside / ENGINE
    whole = engine.read_bytes()
    try:
        engine.write_bytes(whole + b"x")
        finding = judged()
        assert finding.status == "yellow" and "not the file that the manifest lists" in finding.seen
        assert (judged("tensorrt").status, judged("tensorrt").exit_code) == ("red", 3)
        engine.write_bytes(whole)
        engine.chmod(0o666)
        assert "others than its owner may write it" in judged().seen
    finally:
        engine.write_bytes(whole)
        engine.chmod(0o644)


def test_an_engine_of_another_model_is_stale(inside: Path) -> None:
    before = (inside / "tiny.onnx").read_bytes()
    try:
        (inside / "tiny.onnx").write_bytes(before + b"\x72\x00")  # one more, empty, metadata entry
        assert "stale" in judged().seen
    finally:
        (inside / "tiny.onnx").write_bytes(before)
