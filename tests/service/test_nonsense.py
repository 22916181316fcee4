"""A network that computes nonsense: nothing of it is published as good, and everybody hears why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import Frame, Segmentation
from edge_segnet.graph import card as cards
from edge_segnet.pictures.files import read_image
from tests.conftest import picture
from tests.service.test_loop import loop_of
from tests.support.command import edge_segnet
from tests.support.nonsense import dark_is_nan, nan_weights, one_class
from tests.support.program import program
from tests.support.results import ListSource, PlainBackend, frame_of
from tests.support.waiting import wait_until


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve pictures, of which the last is dark."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seq in range(12):
        image = np.clip(picture(64, 48, seq).astype(int) + 90, 90, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{seq:02}.png"), image if seq < 11 else image // 20)
    return folder


def test_weights_that_are_no_numbers_are_refused_when_the_model_is_read(tmp_path: Path, photo: Path) -> None:
    model = nan_weights(tmp_path / "nan.onnx")
    with pytest.raises(ModelError, match=r"weight 'conv2\.weight': 3 of 576 values are no numbers"):
        cards.load(str(model))
    done = edge_segnet("segment", photo, "-m", model, "-o", tmp_path / "out.png")
    assert done.code == 3 and "3 of 576 values are no numbers" in done.error
    assert not (tmp_path / "out.png").exists()
    assert edge_segnet("run", "-m", model).code == 3


def test_files_end_with_3_and_without_a_picture_of_nothing(tmp_path: Path, pictures: Path) -> None:
    model = dark_is_nan(tmp_path / "dark.onnx")
    done = edge_segnet("segment", pictures, "-m", model, "-o", tmp_path / "out", "--json", "-")
    assert done.code == 3
    assert "no numbers in 3072 of 3072 pixels" in done.error
    assert not (tmp_path / "out" / "11.png").exists()


def test_the_loop_publishes_none_of_it_and_counts_no_drop() -> None:
    class Sick(PlainBackend):
        def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
            found = super().infer(frames)
            return [replace(each, broken=frame.seq % 2) for each, frame in zip(found, frames, strict=True)]

    loop, results = loop_of(ListSource([frame_of(seq) for seq in range(6)]), Sick())
    loop.run()
    assert [result.frame.seq for result in results] == [0, 2, 4]
    assert loop.soundness.invalid == 3 and results[-1].dropped.total == 0


def test_the_service_says_output_invalid_and_comes_back(tmp_path: Path, pictures: Path) -> None:
    model, video = dark_is_nan(tmp_path / "dark.onnx"), tmp_path / "night.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for path in sorted(pictures.iterdir()):
        for _ in range(10):
            writer.write(read_image(path) if path.stem != "11" else np.zeros((48, 64, 3), np.uint8))
    writer.release()
    with program("-m", model, "--source", f"{video}", "--set", "cameras.camera.loop=true") as service:
        service.wait_ready()
        wait_until(lambda: service.get("/api/status").json()["cameras"]["camera"]["state"] == "output_invalid", 30)
        status = service.get("/api/status").json()
        assert status["state"] == "degraded"
        assert "no numbers in 3072 of 3072 pixels" in status["cameras"]["camera"]["message"]
        wait_until(lambda: service.get("/api/status").json()["cameras"]["camera"]["state"] == "running", 30)
        assert service.get("/api/status").json()["cameras"]["camera"]["invalid"] >= 5
        assert any("camera: nothing is published: the network's outputs" in line for line in service.log)
        assert 'state="output_invalid"' in service.get("/metrics").text


def test_one_class_for_good_is_said(tmp_path: Path, pictures: Path) -> None:
    done = edge_segnet("segment", pictures, "-m", one_class(tmp_path / "one.onnx"), "-o", tmp_path / "out")
    assert done.code == 0
    assert "10 different pictures, and every pixel is Building: is the model broken?" in done.err
