"""A reload as a transaction: the main thread waits for nobody, and whatever goes wrong, the old settings run on."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import onnx
import pytest

from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.core.types import Fit, Frame, Segmentation
from edge_segnet.service.model import Loaded, Setup
from edge_segnet.settings.schema import CameraConfig, Config
from edge_segnet.sinks.registry import load
from tests.service.test_life import LEFT, Stage, Steady, _own_events, file, rule, running, settings
from tests.support.models import save_tiny
from tests.support.results import PlainBackend
from tests.support.waiting import wait_until

__all__ = ["_own_events", "file"]
CAMERAS = 16
INFER_S = 0.5


def message(stage: Stage) -> str:
    """Why the last reload was refused."""
    told = stage.daemon.state.reload
    return "" if told is None else told.message


class OneAtATime(PlainBackend):
    """As a GPU: half a second for every frame, whoever asks."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__(size)
        self._lock = threading.Lock()

    def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """Wait for the turn, then work."""
        with self._lock:
            time.sleep(INFER_S)
            return super().infer(frames)


class Heard:
    """What one thread calls, while ``on``."""

    def __init__(self) -> None:
        self.on = False
        self.calls: list[str] = []

    def listen(self) -> None:
        """On the thread that is meant."""
        sys.setprofile(self._hear)

    def _hear(self, frame: FrameType, event: str, argument: Any) -> None:
        if self.on and event == "call":
            self.calls.append(str(getattr(frame.f_code, "co_qualname", "")))
        elif self.on and event == "c_call":
            self.calls.append(f"C {argument.__qualname__}")


BLOCKING = (
    *("C sleep", "C open", "C stat", "C read", "C fsync", "C connect", "C sendall", "C accept"),
    *("Event.wait", "Condition.wait", "Condition.wait_for", "Thread.join", "sleep", "wait", "join"),
    *("Outlet.join", "Outlet.status", "Camera.stop", "Camera.change", "Supervisor.close", "load", "reread"),
    *("OneAtATime.infer", "PlainBackend.close", "OnnxBackend.close", "Logger.info", "Logger.warning", "Logger.error"),
)
IN_ORDER = ("Reloader.ask", "Reloader.commit", "SinkManager.commit", "Alarms.want", "Camera.take", "State.take")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs the qualified names of code objects")
def test_the_main_thread_waits_for_nobody(tmp_path: Path, model: Path) -> None:
    cameras = "\n  ".join(f"c{number}: {{source: {number}}}" for number in range(CAMERAS))
    path = tmp_path / "c.yaml"
    region = "regions: {left: {polygon: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], smooth_s: 1.0}}"
    path.write_text(settings(model, cameras, region))
    heard = Heard()

    def config() -> Config:
        return load(path)

    with running(config, began=heard.listen) as stage:
        wait_until(lambda: len(stage.daemon.state.running) == CAMERAS)
        loaded = stage.daemon.state.loaded
        assert loaded is not None
        slow: Loaded = replace(loaded, backend=OneAtATime((64, 48)))
        for camera in stage.daemon.state.running.values():
            camera.take(camera.change(Setup(config(), slow)))
        stage.daemon.state.loaded = slow
        wait_until(lambda: all(camera.uses(slow.backend) for camera in stage.daemon.state.running.values()))
        path.write_text(settings(model, cameras, region.replace("1.0", "2.0")))
        heard.on = True
        began = time.monotonic()
        stage.daemon.reload()
        wait_until(lambda: stage.daemon.state.reload is not None)
        took_s = time.monotonic() - began
        heard.on = False
        assert stage.daemon.state.reload is not None and stage.daemon.state.reload.ok
    assert set(heard.calls).isdisjoint(BLOCKING), set(heard.calls) & set(BLOCKING)
    firsts = [heard.calls.index(name) for name in IN_ORDER]
    assert firsts == sorted(firsts) and heard.calls.count("Camera.take") == CAMERAS
    assert took_s < CAMERAS * INFER_S, "nobody waited for every camera in turn"


def number_of_4400_digits(_file: Path, model: Path) -> str:
    return f"model: {model}\nhttp: null\ncameras: {{front: {{source: 0, rate: {'9' * 4400}}}}}\n"


def hostile_metadata(file: Path, model: Path) -> str:
    proto = onnx.load(model)
    for entry in proto.metadata_props:
        if entry.key.endswith("provenance"):
            entry.value = f'{{"seed": {"9" * 4400}}}'
    onnx.save(proto, file.with_suffix(".onnx"))
    return settings(file.with_suffix(".onnx"))


def a_pipe(file: Path, _model: Path) -> str:
    os.mkfifo(file.with_name("pipe"))
    file.with_name("pipe").rename(file)
    return ""


@pytest.mark.parametrize("fault", [number_of_4400_digits, hostile_metadata, a_pipe])
def test_what_a_file_may_hold_is_refused(file: Path, model: Path, fault: Callable[[Path, Path], str]) -> None:
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 1)
        text = fault(file, model)
        if text:
            file.write_text(text)
        stage.daemon.reload()
        wait_until(lambda: message(stage))
        count = stage.seen("front")
        wait_until(lambda: stage.seen("front") > count)
        assert "unexpected" not in message(stage), message(stage)
    assert stage.failures == []


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RecursionError("deep"), SystemExit(1), KeyboardInterrupt(), KeyError("a bug"), OSError(5, "x")],
)
def test_any_exception_is_a_refusal(file: Path, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    faulty = False

    def read() -> Config:
        if faulty:
            raise error
        return load(file)

    with running(read) as stage:
        wait_until(lambda: stage.seen("front") >= 1)
        faulty = True
        for _ in range(2):
            before = stage.daemon.state.reload
            stage.daemon.reload()
            wait_until(lambda before=before: stage.daemon.state.reload is not before)  # type: ignore[misc]
        assert f"unexpected {type(error).__name__}" in message(stage)
        assert caplog.text.count("reload refused") == 1, "the same mistake is told once"
        faulty = False
        stage.daemon.reload()
        wait_until(lambda: message(stage) == "")
    assert stage.failures == []


def sessions() -> int:
    """Models that hold memory."""
    gc.collect()
    # By type(): isinstance asks an object's __class__, which some libraries' stand-ins answer with a warning.
    backends = [each for each in gc.get_objects() if type(each) is OnnxBackend]
    return sum(each._session is not None for each in backends)


def test_a_refused_reload_keeps_no_model(file: Path, tmp_path: Path) -> None:
    before = sessions()
    other = save_tiny(tmp_path / "other.onnx", size=(96, 64))
    good = file.read_text(encoding="utf-8")
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 1)
        for number in range(8):
            bad = settings(other, more=f"{LEFT}rules:\n{rule('Rode', f'r{number}')}")
            file.write_text(bad)
            stage.daemon.reload()
            wait_until(lambda: "no class 'Rode'" in message(stage))
            file.write_text(good)
            stage.daemon.reload()
            wait_until(lambda: message(stage) == "")
        wait_until(lambda: sessions() == before + 1)
    wait_until(lambda: sessions() == before)


class Cut(Steady):
    """A camera whose pictures come as the middle of what it sees, and that follows a new size ``LATE`` frames later. It
    gives the next one when the last one was segmented, or lost.
    """

    LATE, PATIENCE_S = 4, 1.0

    def __init__(self, size: tuple[int, int], seen: Callable[[], int]) -> None:
        super().__init__(size)
        self.coming, self.left = size, 0
        self._seen, self._given_s = seen, 0.0

    def read(self, timeout_s: float) -> Frame | None:
        if self._seen() < self.seq and time.monotonic() - self._given_s < self.PATIENCE_S:
            time.sleep(min(timeout_s, 0.002))
            return None
        self.size = self.size if self.left > 0 else self.coming
        self.left -= 1
        frame = super().read(timeout_s)
        self._given_s = time.monotonic()
        return None if frame is None else replace(frame, scaled_from=(160, 90))

    def resize(self, size: tuple[int, int]) -> None:
        self.coming, self.left = size, self.LATE


def test_a_crop_that_shows_more_costs_no_frame(file: Path, tmp_path: Path) -> None:
    """While the camera follows, the model from before has its frames."""
    narrow, wide = (save_tiny(tmp_path / f"{n}.onnx", fit="crop", size=(n, 48)) for n in (64, 80))
    stage: Stage

    def opener(_config: CameraConfig, _name: str, size: tuple[int, int], _fit: Fit) -> Cut:
        return Cut(size, lambda: stage.seen("front"))

    file.write_text(settings(narrow))
    with running(lambda: load(file), opener=opener) as stage:
        wait_until(lambda: stage.seen("front") >= 3)
        file.write_text(settings(wide))
        stage.daemon.reload()
        wait_until(lambda: any(result.frame.image.shape == (48, 80, 3) for result in tuple(stage.sink.results)))
        results = tuple(stage.sink.results)
    seqs = [result.frame.seq for result in results]
    assert seqs == list(range(len(seqs)))
    assert all(result.view.fit == "crop" for result in results)


def test_a_model_that_was_exchanged_is_closed(file: Path, tmp_path: Path) -> None:
    before = sessions()
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 1)
        for number in range(3):
            file.write_text(settings(save_tiny(tmp_path / f"{number}.onnx", size=(64 + 16 * number, 48))))
            stage.daemon.reload()
            size = [64 + 16 * number, 48]
            wait_until(lambda size=size: stage.daemon.state.status().network_size == size)  # type: ignore[misc]
            count = stage.seen("front")
            wait_until(lambda count=count: stage.seen("front") > count)  # type: ignore[misc]
        wait_until(lambda: sessions() == before + 1)


def test_a_refused_camera_is_never_opened(file: Path, model: Path) -> None:
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 1)
        threads = threading.active_count()
        file.write_text(settings(model, "front: {source: 0}\n  rear: {source: 1}", f"{LEFT}rules:\n{rule('Rode')}"))
        stage.daemon.reload()
        wait_until(lambda: "no class" in message(stage))
        assert len(stage.opened) == 1 and list(stage.daemon.state.running) == ["front"]
        wait_until(lambda: threading.active_count() <= threads)


def test_an_alarm_of_a_rule_that_went_while_the_service_was_down(file: Path, model: Path, tmp_path: Path) -> None:
    file.write_text(settings(model, more=f"{LEFT}rules:\n{rule('Car')}{rule('Sky', 'sky')}"))
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.daemon.state.events.newest())
    file.write_text(settings(model))
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 1)
        events = stage.daemon.state.events
        wait_until(lambda: not events.open_alarms())
    lines = (tmp_path / "state" / "events" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    for name in ("low", "sky"):
        told = [each["kind"] for each in map(json.loads, lines) if each["rule"] == name]
        assert told == ["start", "clear"] * (len(told) // 2), told


def test_a_thread_that_died_is_an_alarm(file: Path) -> None:
    from edge_segnet.core import threads

    def run() -> None:
        raise IndexError("nobody expected this")

    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 1 and stage.daemon.state.word == "running")
        fragile = threads.start(run, "fragile")
        wait_until(lambda: stage.daemon.state.word == "degraded")
        status = stage.daemon.state.status()
        assert "unexpected IndexError" in status.degraded["thread fragile"] and not status.healthy
        assert stage.daemon.state.line().startswith("degraded; front: ")
        fragile.join(5)
        wait_until(lambda: stage.daemon.state.word == "running" and stage.daemon.state.healthy)


def held() -> tuple[int, int]:
    """Descriptors and threads of this process."""
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


def test_reloads_leave_nothing_behind(file: Path, model: Path, tmp_path: Path) -> None:
    other = save_tiny(tmp_path / "other.onnx", size=(96, 64))
    sinks = (
        "http: {{port: 0, max_connections: {number}}}\n"
        "mqtt: {{url: 'mqtt://127.0.0.1:9', rate: {number}}}\n"
        "jsonl: {{rate: {number}}}\n"
    )
    cameras = "front: {source: 0}\n  rear: {source: 1}", "front: {source: 0}\n  side: {source: 2}"

    def text(number: int) -> str:
        return settings(model if number % 2 else other, cameras[number % 2]).replace(
            "http: null\n", sinks.format(number=10 + number % 2)
        )

    def exchanged(stage: Stage, number: int) -> None:
        before = stage.daemon.state.reload
        file.write_text(text(number))
        stage.daemon.reload()
        wait_until(lambda: stage.daemon.state.reload is not before)
        assert not message(stage)
        name, size = ("rear", "side")[number % 2], [[96, 64], [64, 48]][number % 2]
        wait_until(lambda: stage.daemon.state.status().network_size == size)
        count = stage.seen(name)
        wait_until(lambda: stage.seen(name) > count)

    file.write_text(text(0))
    with running(lambda: load(file)) as stage:
        wait_until(lambda: stage.seen("front") >= 1)
        for number in (1, 2, 3, 4):
            exchanged(stage, number)
        descriptors, threads = held()
        for number in range(5, 15):
            exchanged(stage, number)
        wait_until(lambda: held()[0] <= descriptors + 2 and held()[1] <= threads + 2)
