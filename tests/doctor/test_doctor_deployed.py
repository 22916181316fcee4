"""Which model serves, as the doctor tells it: deployed, set aside, damaged, gone, or none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edge_segnet.doctor import deployed as check
from edge_segnet.doctor import model
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.report import Finding
from edge_segnet.settings import deployed
from edge_segnet.settings.deployed import Attempt, Journal, Served
from edge_segnet.settings.schema import Config
from tests.support.models import save_tiny

OWN = "segnet-lite"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployed model's file."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    made = save_tiny(tmp_path / "tiny.onnx")
    sha256 = hashlib.sha256(made.read_bytes()).hexdigest()
    deployed.folder().mkdir()
    path = made.rename(deployed.file_of(sha256))
    attempt = Attempt("1", "2026-11-28T08:00:00Z", sha256, "tiny", "serving", "as good as the old one")
    before = Served("ab" * 32, OWN, OWN, own=True)
    Journal(Served(sha256, "tiny", OWN), (before,), attempts=(attempt,)).write()
    return path


def judged(settings_model: str = OWN) -> Finding:
    (finding,) = check.check(Context(config=Config.model_validate({"model": settings_model, "backend": "onnx"})))
    return finding


def test_what_serves_where_it_lies_and_what_was_before(mine: Path) -> None:
    found = judged()
    assert found.status == "green" and str(mine) in found.seen and f"in the place of {OWN}" in found.seen
    assert f"before it {OWN}, the settings' own" in found.seen and "tiny serving: as good" in found.seen
    assert found.facts["sha256"] == mine.stem and found.facts["card"]["size"] == [64, 48]
    assert [each["stage"] for each in found.facts["attempts"]] == ["serving"]


@pytest.mark.usefixtures("mine")
def test_the_model_that_is_tried_is_the_one_that_serves() -> None:
    found = {one.check: one for one in model.check(Context(config=Config.model_validate({"backend": "onnx"})))}
    assert "64x48" in found["model"].seen and found["model runs"].status == "green"


def test_a_damaged_file_a_missing_one_and_other_settings(mine: Path) -> None:
    assert judged("segnet-basic").status == "yellow" and "segnet-basic, which serves" in judged("segnet-basic").seen
    mine.write_bytes(mine.read_bytes() + b"x")
    assert (judged().status, judged().exit_code) == ("red", 3) and "damaged" in judged().seen
    mine.unlink()
    assert judged().status == "yellow" and f"is gone; {OWN} serves" in judged().seen
    (deployed.folder() / deployed.JOURNAL).write_text("{", encoding="utf-8")
    assert judged().status == "yellow" and "damaged" in judged().seen


def test_nothing_was_ever_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    assert judged().status == "grey" and "the settings' own model serves" in judged().seen
