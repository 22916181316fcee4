"""What a result is told by, when a reload has changed everything around it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from edge_segnet.core.classes import CAMVID_11, ClassMap
from edge_segnet.core.documents import result_document
from edge_segnet.core.errors import SourceLost
from edge_segnet.core.types import Fit, Frame
from edge_segnet.service import model as loading
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sinks.registry import load
from tests.conftest import picture
from tests.service.test_life import Steady, reload_of, running, settings
from tests.support.models import save_tiny
from tests.support.waiting import wait_until

OTHER = ClassMap("others", tuple(f"other {number}" for number in range(11)), CAMVID_11.colours)
FEWER = ClassMap("fewer", OTHER.names[:5], OTHER.colours[:5])


class Torn(Steady):
    """A camera that breaks off when it is told to, and does not come back."""

    torn = False

    def read(self, timeout_s: float) -> Frame | None:
        """The next one, until then."""
        if Torn.torn:
            raise SourceLost("unplugged")
        return super().read(timeout_s)


def torn(_config: CameraConfig, _name: str, size: tuple[int, int], _fit: Fit) -> Torn:
    return Torn(size)


@pytest.mark.parametrize("classes", [OTHER, FEWER], ids=["as many", "fewer"])
def test_a_lost_cameras_last_result_keeps_its_names_over_a_reload(
    tmp_path: Path, model: Path, classes: ClassMap
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(settings(model))
    Torn.torn = False
    with running(lambda: load(file), opener=torn) as stage:
        wait_until(lambda: stage.seen("front") >= 3)
        Torn.torn = True
        wait_until(lambda: stage.daemon.state.status().cameras["front"].state == "lost")
        file.write_text(settings(save_tiny(tmp_path / "other.onnx", classes)))
        stage.daemon.reload()
        wait_until(lambda: reload_of(stage)["ok"])
        view = stage.daemon.state.view
        assert view is not None and view.classes.names == classes.names
        last = stage.daemon.state.cameras["front"].last
        assert last is not None and list(result_document(last).to_dict()["classes"]) == list(CAMVID_11.names)


def test_staleness_is_judged_when_it_is_read(tmp_path: Path, model: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(settings(model, "front: {source: 0, stale_after_s: 600}"))
    Torn.torn = False
    with running(lambda: load(file), opener=torn) as stage:
        wait_until(lambda: stage.seen("front") >= 3)
        last = stage.sink.results[-1]
        assert not last.stale and not result_document(last).to_dict()["stale"]
        Torn.torn = True
        wait_until(lambda: last.stale)
        age_ms = result_document(last).to_dict()["age_ms"]
        time.sleep(0.05)
        assert result_document(last).to_dict()["stale"] and result_document(last).to_dict()["age_ms"] >= age_ms + 45


def test_a_camera_that_was_taken_away_shows_nothing_any_more(tmp_path: Path, model: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(settings(model, "front: {source: 0, stale_after_s: 600}\n  rear: {source: 1}"))
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 3 and stage.seen("rear") >= 1)
        last = next(result for result in reversed(stage.sink.results) if result.frame.camera == "front")
        file.write_text(settings(model, "rear: {source: 1}"))
        stage.daemon.reload()
        wait_until(lambda: reload_of(stage)["ok"])
        assert last.stale


class Wide(Steady):
    """Its pictures are 1920x480, and said to be so by themselves only."""

    def read(self, timeout_s: float) -> Frame | None:
        """The next one."""
        frame = super().read(timeout_s)
        return None if frame is None else replace(frame, scaled_from=(1920, 480))


def test_squeezed_pictures_get_a_word_and_a_remedy_once(
    tmp_path: Path, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(settings(model))
    with running(lambda: load(file), opener=lambda _config, _name, size, _fit: Wide(size)) as stage:
        wait_until(lambda: stage.seen("front") >= 1 and stage.daemon.state.status().cameras["front"].message)
        said = stage.daemon.state.status().cameras["front"].message
        seen = stage.seen("front")
        wait_until(lambda: stage.seen("front") > seen + 100)  # two looks of the monitor
    assert "pictures of 1920x480 are squeezed into" in said and "try size: " in said
    assert sum("squeezed" in record.message for record in caplog.records) == 1


def test_size_auto_takes_a_files_proportions_from_the_file(tmp_path: Path, model: Path) -> None:
    photo, file = tmp_path / "wide.png", tmp_path / "c.yaml"
    photo.write_bytes(cv2.imencode(".png", picture(640, 192))[1].tobytes())
    file.write_text(settings(model, f"front: {{source: {photo}, rate: 0.1}}", "size: auto"))
    loaded = loading.load(load(file))
    loaded.backend.close()
    assert loaded.backend.input_size == loaded.card.size == (96, 32)  # the model's own is 64x48
