"""A deployed model's engine is built by another process: for real where TensorRT-RTX is installed."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any, cast

import pytest

from edge_segnet.core.errors import ModelError
from edge_segnet.scene.events import EventLog
from edge_segnet.service import aside
from edge_segnet.service.deploy import STOPPED, Deployer, Hands, Interrupted
from edge_segnet.service.ledger import Ledger
from edge_segnet.service.state import State
from edge_segnet.settings import deployed
from edge_segnet.settings.schema import Config
from tests.engine.engines import rtx
from tests.support.models import save_tiny

SHA = "ab" * 32


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    return save_tiny(deployed.file_of(SHA))


def test_it_is_built_into_the_state_folder_and_goes_with_its_model(mine: Path, tmp_path: Path) -> None:
    rtx()
    looks: list[float] = []
    aside.build(mine, (64, 48), lambda: looks.append(time.monotonic()))
    assert (
        looks
        and deployed.engine_of(mine) == tmp_path / "engines" / f"{SHA}.engine"
        and deployed.engine_of(mine).exists()
    )
    deployed.prune(deployed.Journal(deployed.Served(SHA, "tiny", "segnet-lite")))
    assert deployed.engine_of(mine).exists() and mine.exists()
    deployed.prune(deployed.Journal())
    assert not mine.exists() and [each.name for each in (tmp_path / "engines").glob(f"{SHA}*")] == []


def test_a_builder_that_fails_says_why(mine: Path) -> None:
    mine.write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=r"its engine can't be built \(exit code 3: .*not an ONNX model"):
        aside.build(mine, None, lambda: None)


def test_what_comes_up_ends_the_builder(mine: Path) -> None:
    def look() -> None:
        raise Interrupted("new settings came")

    began_s = time.monotonic()
    with pytest.raises(Interrupted):
        aside.build(mine, None, look)
    assert time.monotonic() - began_s < 10.0


@pytest.mark.parametrize(
    ("backend", "serves", "wanted"),
    [("tensorrt", "onnx", True), ("auto", "tensorrt-fp16", True), ("auto", "onnx", False), ("onnx", "onnx", False)],
)
def test_who_needs_an_engine(backend: str, serves: str, wanted: bool) -> None:
    class Old:
        class backend:  # noqa: N801
            name = serves

    assert aside.needs_engine(Config.model_validate({"backend": backend}), cast(Any, Old)) is wanted


def deployer(disturbed: str = "") -> Deployer:
    state = State(EventLog(None))
    hands = Hands(lambda *_: None, lambda *_: None, lambda: disturbed)
    return Deployer(state, Ledger(state), hands)


def test_a_stale_engine_is_built_again_at_the_start(mine: Path) -> None:
    rtx()
    error, engine = ModelError("stale"), deployed.engine_of(mine)
    auto = Config.model_validate({"model": str(mine), "backend": "auto"})
    with pytest.raises(ModelError, match="stale"):
        deployer().rebuild(auto, error)  # nobody had one
    with pytest.raises(ModelError, match="stale"):
        deployer().rebuild(Config.model_validate({"model": str(mine), "backend": "onnx"}), error)
    engine.parent.mkdir(exist_ok=True)
    engine.write_bytes(b"of another TensorRT")
    with pytest.raises(Interrupted):
        deployer(STOPPED).rebuild(auto, error)
    deployer("new settings came").rebuild(auto, error)
    assert engine.stat().st_size > 100
    shutil.rmtree(engine.parent)
