"""The daemon in one process: real settings, model and threads; its cameras are short doubles."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge_segnet.board.notify import Notifier
from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.documents import result_document
from edge_segnet.core.errors import DeviceLost, EndOfStream, InputError, ModelError, SettingsError
from edge_segnet.core.types import Done, Fit, Frame, RuleShape, Segmentation
from edge_segnet.scene.events import Event
from edge_segnet.service.camera import Opener
from edge_segnet.service.life import Daemon
from edge_segnet.service.model import Setup
from edge_segnet.service.reload import Origin
from edge_segnet.settings.schema import CameraConfig, Config
from edge_segnet.sinks.registry import load
from tests.support.models import save_tiny
from tests.support.results import ListSink, frame_of
from tests.support.waiting import wait_until


class Steady:
    """A camera of 100 frames per second that notices how it is treated."""

    live = True
    damaged = 0

    def __init__(self, size: tuple[int, int], limit: int | None = None) -> None:
        self.size, self.limit, self.seq, self.closed = size, limit, 0, False

    def read(self, timeout_s: float) -> Frame | None:
        """The next one."""
        time.sleep(min(timeout_s, 0.01))
        if self.limit is not None and self.seq >= self.limit:
            raise EndOfStream("that was all")
        self.seq += 1
        return frame_of(self.seq - 1, "?", self.size)

    def resize(self, size: tuple[int, int]) -> None:
        """Follow."""
        self.size = size

    def close(self) -> None:
        """Remembered."""
        self.closed = True


@dataclass
class Stage:
    """A running daemon and what it talks to."""

    daemon: Daemon
    sink: ListSink
    opened: list[tuple[str, Steady]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def seen(self, camera: str) -> int:
        """Results of one camera so far."""
        return sum(result.frame.camera == camera for result in tuple(self.sink.results))


@contextmanager
def running(
    read: Callable[[], Config],
    *,
    file: Path | None = None,
    wait: bool = False,
    limit: int | None = None,
    missing: tuple[str, ...] = (),
    opener: Opener | None = None,
    began: Callable[[], None] = lambda: None,
) -> Iterator[Stage]:
    """``began`` is called first of all on the daemon's thread."""
    sink = ListSink()
    stage: Stage

    def opened(_config: CameraConfig, name: str, size: tuple[int, int], _fit: Fit) -> Steady:
        if name in missing:
            raise InputError(f"no camera {name}")
        source = Steady(size, limit)
        stage.opened.append((name, source))
        return source

    daemon = Daemon(read(), Origin(read, file, wait), Notifier({}), {"list": sink}, opener or opened)
    stage = Stage(daemon, sink)

    def run() -> None:
        began()
        try:
            daemon.run()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            stage.failures.append(error)

    thread = threading.Thread(target=run, name="daemon")
    thread.start()
    try:
        yield stage
    finally:
        daemon.stop()
        thread.join(20)
        assert not thread.is_alive()


def reload_of(stage: Stage) -> dict[str, Any]:
    told = stage.daemon.state.reload
    return {"ok": None, "message": ""} if told is None else told.to_dict()


def rules_of(stage: Stage) -> Sequence[RuleShape]:
    assert stage.daemon.state.view is not None
    return stage.daemon.state.view.rules


def settings(model: Path, cameras: str = "front: {source: 0}", more: str = "") -> str:
    return f"model: {model}\nhttp: null\ncameras:\n  {cameras}\n{more}\n"


@pytest.fixture(autouse=True)
def _own_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of events without those of tests before."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


@pytest.fixture
def file(tmp_path: Path, model: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(settings(model))
    return path


def test_frames_become_results_and_the_end_is_tidy(file: Path) -> None:
    before = threading.active_count()
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 5 and stage.daemon.state.ready)
        assert stage.daemon.state.healthy and stage.daemon.state.word == "running"
        status = stage.daemon.state.status().to_dict()
        camera = status["cameras"]["front"]
        assert status["model"] == "tiny" and status["backend"] == "onnx" and status["network_size"] == [64, 48]
        assert camera["state"] == "running" and camera["frames"] >= 5 and camera["source"] == "0"
        assert status["sinks"]["list"]["failed"] == 0
        document = result_document(stage.sink.results[-1]).to_dict()
        assert document["camera"] == "front" and document["model"] == "tiny" and not document["stale"]
        assert "front:" in stage.daemon.state.line()
    assert stage.failures == [] and stage.sink.closed and stage.opened[0][1].closed
    wait_until(lambda: threading.active_count() <= before)


def test_a_missing_camera_is_an_honest_state(file: Path, model: Path) -> None:
    file.write_text(settings(model, "front: {source: 0}\n  rear: {source: 1}"))
    with running(lambda: load(file), missing=("rear",)) as stage:
        wait_until(lambda: stage.daemon.state.ready and stage.seen("front") > 0)
        assert stage.daemon.state.word == "degraded"
        rear = stage.daemon.state.status().to_dict()["cameras"]["rear"]
        assert rear["state"] == "missing" and "no camera rear" in rear["message"] and rear["frames"] == 0
        assert "rear: missing (no camera rear)" in stage.daemon.state.line()


def test_the_end_of_every_source_is_the_end(file: Path) -> None:
    with running(lambda: load(file), limit=20) as stage:
        wait_until(lambda: stage.sink.closed)
        assert 0 < stage.seen("front") <= 20


def test_a_reload_keeps_what_stays_and_exchanges_what_differs(file: Path, model: Path) -> None:
    file.write_text(settings(model, "front: {source: 0}\n  rear: {source: 1}"))
    with running(lambda: load(file), file=file) as stage:
        wait_until(lambda: stage.seen("front") >= 3 and stage.seen("rear") >= 3)
        file.write_text(settings(model, "front: {source: 0, rate: 50}\n  side: {source: 2}"))
        wait_until(lambda: stage.seen("side") >= 3)
        assert len(stage.opened) == 3
        wait_until(lambda: dict(stage.opened)["rear"].closed)
        assert not dict(stage.opened)["front"].closed and not dict(stage.opened)["side"].closed
        assert list(stage.daemon.state.cameras) == ["front", "side"]
        wait_until(lambda: reload_of(stage)["ok"])
        count = stage.seen("front")
        wait_until(lambda: stage.seen("front") > count + 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model: {model}\nhtpp: null\n", "htpp: unknown key"),
        ("model: /nowhere/x.onnx\nhttp: null\n", "/nowhere/x.onnx: no such model"),
        ("model: {model}\nhttp: {{host: 0.0.0.0}}\n", "http"),
    ],
)
def test_a_bad_reload_is_refused_and_reported(file: Path, model: Path, text: str, said: str) -> None:
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 1)
        file.write_text(text.format(model=model))
        stage.daemon.reload()
        wait_until(lambda: said in reload_of(stage)["message"])
        assert stage.daemon.state.status().to_dict()["reload"]["ok"] is False
        assert "reload refused" in stage.daemon.state.line()
        count = stage.seen("front")
        wait_until(lambda: stage.seen("front") > count)
        assert len(stage.opened) == 1


LEFT = "regions: {left: {polygon: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}\n"


def rule(class_name: str, name: str = "low") -> str:
    return f"- {{name: {name}, region: left, class: {class_name}, below: 1.0}}\n"


def test_regions_and_rules_follow_a_reload(file: Path, model: Path) -> None:
    file.write_text(settings(model, more=LEFT))
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 1)
        assert set(stage.sink.results[-1].regions) == {"left"} and stage.sink.results[-1].alarms == ()
        assert stage.sink.results[-1].segmentation.stages_ms["regions"] > 0
        # Of one frame at most one class has all of the region.
        file.write_text(settings(model, more=f"{LEFT}rules:\n{rule('Car')}{rule('Sky', 'sky')}"))
        stage.daemon.reload()
        wait_until(
            lambda: [event.kind for event in stage.daemon.state.events.newest()] and stage.sink.results[-1].alarms
        )
        first = stage.daemon.state.events.since("")[0]
        assert first.kind == "start" and first.camera == "front" and first.snapshot is not None
        assert [each.class_name for each in rules_of(stage)] == ["Car", "Sky"]
        file.write_text(settings(model))
        stage.daemon.reload()
        wait_until(lambda: not stage.sink.results[-1].regions)

        def last() -> set[str]:
            return set({each.rule: each.kind for each in stage.daemon.state.events.since("")}.values())

        wait_until(lambda: last() == {"clear"})  # every alarm that had begun is over
        assert len(stage.opened) == 1


def test_a_rule_on_a_class_that_the_model_has_not(file: Path, model: Path) -> None:
    file.write_text(settings(model, more=LEFT))
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 1)
        text = settings(model, more=LEFT + "rules:\n" + rule("Rode"))
        file.write_text(text)
        line = text.splitlines().index(rule("Rode").strip()) + 1
        stage.daemon.reload()
        said = f"{file}:{line}: rules[0].class: the model has no class 'Rode': camvid-11 has Sky, "
        wait_until(lambda: reload_of(stage)["message"].startswith(said))
        assert rules_of(stage) == []
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.failures)
    assert str(stage.failures[0]).startswith(said)
    assert isinstance(stage.failures[0], SettingsError) and stage.failures[0].exit_code == 2


def test_another_model_loses_at_most_a_frame(file: Path, tmp_path: Path) -> None:
    other = save_tiny(tmp_path / "other.onnx", size=(96, 64))
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 3)
        file.write_text(settings(other))
        stage.daemon.reload()
        wait_until(lambda: tuple(stage.sink.results)[-1].frame.image.shape == (64, 96, 3))
        wait_until(lambda: stage.seen("front") >= 10)
        assert len(stage.opened) == 1 and stage.daemon.state.status().to_dict()["network_size"] == [96, 64]
        seen = [result.frame.seq for result in stage.sink.results]
        sizes = [result.frame.image.shape for result in stage.sink.results]
        at = sizes.index((64, 96, 3))
        results = stage.sink.results
        lost = results[at].dropped.total - results[at - 1].dropped.total
        usual = max(later.dropped.total - one.dropped.total for one, later in pairwise(results[:at]))
        assert seen == sorted(seen) and lost <= usual + 2, (lost, usual)


def test_a_replaced_model_file_is_taken_at_a_reload(file: Path, tmp_path: Path) -> None:
    mine = save_tiny(tmp_path / "mine.onnx")
    file.write_text(settings(mine))
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 1)
        first = stage.daemon.state.loaded
        stage.daemon.reload()
        wait_until(lambda: stage.daemon.state.reload is not None)
        assert stage.daemon.state.loaded is first
        save_tiny(tmp_path / "new.onnx", size=(80, 48)).replace(mine)
        stage.daemon.reload()
        wait_until(lambda: stage.daemon.state.status().to_dict()["network_size"] == [80, 48])


def test_a_model_that_comes_later_is_waited_for(file: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.onnx"
    file.write_text(settings(late))
    with running(lambda: load(file), wait=True) as stage:
        wait_until(lambda: "no such model" in stage.daemon.state.line())
        assert stage.daemon.state.word == "waiting" and not stage.daemon.state.ready
        save_tiny(tmp_path / "made.onnx").replace(late)
        wait_until(lambda: stage.seen("front") >= 1)


def test_a_model_that_is_not_there_is_an_error_elsewhere(file: Path, tmp_path: Path) -> None:
    file.write_text(settings(tmp_path / "never.onnx"))
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.failures)
    assert isinstance(stage.failures[0], ModelError) and stage.failures[0].exit_code == 3


def test_a_lost_device_ends_the_daemon(file: Path) -> None:
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 1)
        loaded = stage.daemon.state.loaded
        assert loaded is not None
        lost = DeviceLost("the GPU fell off the bus")

        class Gone:
            name, input_size, classes, max_batch = "gone", (64, 48), CAMVID_11, 1

            def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:  # noqa: ARG002 - nothing can be done with it
                raise lost

            def submit(self, frames: Sequence[Frame]) -> Done:
                return Done(self.infer(frames))

            def close(self) -> None:
                """Nothing is left."""

        camera = stage.daemon.state.running["front"]
        camera.take(camera.change(Setup(load(file), replace(loaded, backend=Gone()))))
        wait_until(lambda: stage.failures)
    assert stage.failures == [lost]


def test_size_auto_chooses_by_the_rate(file: Path, model: Path) -> None:
    file.write_text(settings(model, "front: {source: 0, rate: 1}", "size: auto"))
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 1)
        status = stage.daemon.state.status().to_dict()
        assert status["network_size"] == [64, 48] and "size auto: 64x48 takes" in status["message"]
        assert "meets 1 frames/s" in status["message"]
    file.write_text(settings(model, "front: {source: 0, rate: 1000}", "size: auto"))
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.daemon.state.loaded is not None)
        note = stage.daemon.state.status().to_dict()["message"]
        assert "frames/s" in note


def test_a_watch_on_the_service_itself_makes_events(file: Path, model: Path) -> None:
    watch = "watch: [{name: gone, not_running: true, for_s: 0.3}, {name: slow, camera: front, age_ms_above: 60000}]\n"
    file.write_text(settings(model, "front: {source: 0}\n  rear: {source: 1}", watch))
    with running(lambda: load(file), missing=("rear",)) as stage:

        def rear() -> list[Event]:
            return [event for event in stage.daemon.state.events.newest(10) if event.camera == "rear"]

        wait_until(rear)
        event = rear()[-1]
        assert (event.rule, event.kind, event.measure) == ("gone", "start", "not_running")
        assert event.value >= 0.3 and event.region == "" and event.snapshot is None
