"""The process that reads models may be begun before anybody knows which one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_segnet.backends import ahead
from edge_segnet.backends.reading import Reading
from edge_segnet.core.errors import ModelError
from tests.support.readers import START


@pytest.fixture(autouse=True)
def _real(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ahead, "start", START)
    yield
    ahead.drop()


def begun() -> subprocess.Popen[bytes]:
    ahead.begin()
    assert ahead._ahead is not None
    return ahead._ahead


def test_the_first_model_is_read_by_the_one_that_was_begun(model: Path) -> None:
    early = begun()
    with_it, after = Reading(str(model), None, ("onnxruntime",)), Reading(str(model), None, ("onnxruntime",))
    assert with_it._process is early and after._process is not early
    assert with_it.result().graphs == after.result().graphs
    assert early.returncode is not None


def test_one_that_died_is_no_loss(model: Path) -> None:
    early = begun()
    early.kill()
    early.wait()
    assert Reading(str(model), None, ("onnxruntime",)).result().graphs


def test_nobody_needs_it() -> None:
    early = begun()
    ahead.drop()
    assert early.returncode is not None
    ahead.drop()  # twice is once


def test_without_a_wish_it_ends_by_itself() -> None:
    command = [sys.executable, "-m", "edge_segnet.backends.reader"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_where_none_can_be_started_the_first_model_says_so(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> subprocess.Popen[bytes]:
        raise OSError("no")

    monkeypatch.setattr(ahead, "start", fail)
    ahead.begin()
    with pytest.raises(ModelError, match="can't be started"):
        Reading(str(model), None, ("onnxruntime",))
