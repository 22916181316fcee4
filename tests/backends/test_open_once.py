"""Opening a model: its file is read once, checked once, and its shapes are inferred once, whoever opens it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal, get_args

import numpy as np
import pytest

from edge_segnet.backends import reading
from edge_segnet.backends.model import open_model, read_any, read_onnx
from edge_segnet.backends.reader import answer
from edge_segnet.backends.reading import graph_for
from edge_segnet.cli.bench import Bench
from edge_segnet.cli.evaluate import Evaluate
from edge_segnet.cli.segment import Segment
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.model import check
from edge_segnet.graph import card as cards
from edge_segnet.graph.lower import lower
from edge_segnet.graph.model_files import CpuTarget
from edge_segnet.graph.resize import resize
from edge_segnet.pictures.files import write_image
from edge_segnet.service.model import load
from edge_segnet.settings.schema import Config
from tests.support.int8 import save_int8
from tests.support.models import save_tiny

WATCHED = {("onnx/shape_inference.py", "infer_shapes"): "inferred", ("onnx/checker.py", "check_model"): "checked"}


@contextmanager
def counted(path: Path) -> Iterator[Counter[str]]:
    """Reads of a file, checks and shape inferences of any model, as Python's profiler sees them be called."""
    seen: Counter[str] = Counter()

    def watch(frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call":
            return
        code = frame.f_code
        for (file, name), what in WATCHED.items():
            seen[what] += code.co_name == name and code.co_filename.endswith(file)
        if code.co_name in ("read_bytes", "read_text") and frame.f_locals["self"] == path:
            seen["read"] += 1

    sys.setprofile(watch)
    try:
        yield seen
    finally:
        sys.setprofile(None)


def _segment(model: Path, folder: Path) -> None:
    Segment([str(folder / "images/a.png")], model=str(model), backend="onnx", counts=True, threads=1).run()


def _evaluate(model: Path, folder: Path) -> None:
    Evaluate([folder / "images"], [folder / "labels"], model=str(model), backend="onnx").run()


def _bench(model: Path, folder: Path) -> None:
    picture = str(folder / "images/a.png")
    Bench(model=str(model), backend="onnx", source=picture, seconds=0.05, warmup=0.0, threads=1).run()


def _run(model: Path, _folder: Path) -> None:
    """What the service's reading process does."""
    read = cards.load(str(model))
    for target in get_args(CpuTarget):
        graph_for(read, target)


def _doctor(model: Path, _folder: Path) -> None:
    found = list(check(Context(config=Config(model=str(model), threads=1))))
    assert [finding.status for finding in found if finding.title == "model runs"] == ["green"]


def _weights(model: Path, _folder: Path) -> None:
    """For who needs the network itself, as a build of an engine does."""
    assert read_onnx(str(model), (96, 64)).view is not None


def _anything(model: Path, _folder: Path) -> None:
    assert read_any(str(model)).view.shape("frame") == (1, 48, 64, 3)


@pytest.mark.parametrize("opener", [_segment, _evaluate, _bench, _run, _doctor, _anything])
def test_every_command_reads_checks_and_infers_once(
    opener: Callable[[Path, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that came with this program."""
    monkeypatch.setattr(reading, "ships", lambda _path: True)
    model = save_tiny(tmp_path / "tiny.onnx")
    write_image(tmp_path / "images/a.png", np.zeros((48, 64, 3), np.uint8))
    write_image(tmp_path / "labels/a.png", np.zeros((48, 64), np.uint8))
    with counted(model) as seen:
        opener(model, tmp_path)
    assert dict(seen) == {"read": 1, "checked": 1, "inferred": 1}


@pytest.mark.parametrize("opener", [_segment, _evaluate, _bench, _doctor, _weights, _anything])
def test_a_foreign_model_is_read_checked_and_inferred_elsewhere(
    opener: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    """Once, by the process of ``_run`` and ``_whole``."""
    model = save_tiny(tmp_path / "tiny.onnx")
    write_image(tmp_path / "images/a.png", np.zeros((48, 64, 3), np.uint8))
    write_image(tmp_path / "labels/a.png", np.zeros((48, 64), np.uint8))
    with counted(model) as seen:
        opener(model, tmp_path)
    assert +seen == Counter()


@pytest.mark.parametrize("wanted", [get_args(CpuTarget), "model"])
@pytest.mark.parametrize("size", [(96, 64), (97, 67)])
def test_another_size_is_inferred_once(
    size: tuple[int, int], wanted: tuple[CpuTarget, ...] | Literal["model"], tmp_path: Path
) -> None:
    """What in a file is a size is seen without the shapes of its maps; those of the new size are the only ones. Of a
    file at an odd size, which cuts its logits, that holds as well.
    """
    model = save_tiny(tmp_path / "tiny.onnx")
    cards.save(cards.load(str(model), (65, 49)), tmp_path / "odd.onnx")
    for path in (model, tmp_path / "odd.onnx"):
        with counted(path) as seen:
            answer(reading.Wish(str(path), size, wanted))
        assert dict(seen) == {"read": 1, "checked": 1, "inferred": 1}


@pytest.mark.parametrize("size", [(96, 64), (97, 67)])
def test_a_size_by_itself_is_that_of_a_model_whose_shapes_are_known(size: tuple[int, int], tmp_path: Path) -> None:
    model = str(save_tiny(tmp_path / "tiny.onnx"))
    known = resize(cards.load(model).shapes, size)
    assert cards.load(model, size).proto == known.model == read_onnx(model, size).proto
    assert lower(cards.load(model).proto, "onnxruntime", size=size).model == lower(known.model, "onnxruntime").model


def test_whole_numbers_are_written_without_shapes(tmp_path: Path) -> None:
    """A quantised model's form for ONNX Runtime: one inference, of the file."""
    made = save_int8(tmp_path / "int8.onnx")
    with counted(made) as seen:
        graph_for(cards.load(str(made)), "onnxruntime")
    assert dict(seen) == {"read": 1, "checked": 1, "inferred": 1}


def test_the_service_itself_reads_checks_and_infers_nothing(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "tiny.onnx")
    with counted(model) as seen:
        load(Config(model=str(model), backend="onnx", threads=1)).backend.close()
    assert +seen == Counter()


def test_the_network_that_is_not_inferred_again_is_the_same(tmp_path: Path) -> None:
    model = cards.load(str(save_tiny(tmp_path / "tiny.onnx")))
    known = lower(model.proto, "onnxruntime", head="labels", view=model.view).model
    again = lower(model.proto, "onnxruntime", head="labels").model
    del again.graph.value_info[:]
    assert known == again


def test_open_model_says_what_it_opened(tmp_path: Path) -> None:
    path = save_tiny(tmp_path / "tiny.onnx")
    opened = open_model(str(path), (96, 64), "onnx")
    assert (opened.card.size, opened.backend.input_size, len(opened.sha256)) == ((96, 64), (96, 64), 64)
    assert opened.read_ms > 0.0 and opened.backend_ms > 0.0
    opened.backend.close()
