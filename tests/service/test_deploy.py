"""Another model while the service runs: a good one stays, a bad one goes, and the robot notices nothing."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edge_segnet.cli.service_model import ServiceModel
from edge_segnet.core.errors import BudgetMissed, EdgeSegnetError, ModelError, UsageError
from edge_segnet.core.files import state_folder
from edge_segnet.core.types import Fit, Frame
from edge_segnet.scene.events import Event
from edge_segnet.settings import deployed
from edge_segnet.settings.deployed import Attempt, Journal, Served
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sinks.registry import load
from tests.service.test_life import Stage, Steady, file, running, settings
from tests.service.test_reload import sessions
from tests.support import suspects
from tests.support.models import save_tiny
from tests.support.results import frame_of
from tests.support.waiting import wait_until

__all__ = ["file"]
DARK, BRIGHT = 100, 230
CANARY = "2s"
CANARY_S = 2.0
PATIENT = 50.0
"""A factor for models that are not to be judged by a busy machine's time."""


class Lamp(Steady):
    """A camera of 50 frames per second whose picture is as bright as the lamp."""

    lamp = DARK

    def read(self, timeout_s: float) -> Frame | None:
        """The next one; none is like the one before."""
        time.sleep(min(timeout_s, 0.02))
        self.seq += 1
        frame = frame_of(self.seq - 1, "?", self.size)
        image = np.full_like(frame.image, type(self).lamp + self.seq % 3)
        return Frame(image, None, frame.seq, frame.captured_ns, frame.captured_at, "front")


@dataclass
class Scene:
    """A daemon that serves, and a person who deploys."""

    stage: Stage

    @property
    def sha256(self) -> str:
        loaded = self.stage.daemon.state.loaded
        assert loaded is not None
        return loaded.sha256

    def deploy(self, path: Path, slower: float = PATIENT) -> None:
        """As the command does; raises what it raises."""
        ServiceModel(str(path), canary=CANARY, slower=slower).run()

    def events(self) -> list[Event]:
        return self.stage.daemon.state.events.newest()

    @property
    def told(self) -> str:
        """How the last one ended, as the status has it."""
        status = self.stage.daemon.state.status().deployment
        assert status is not None
        return f"{status.stage}: {status.message}"


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of other tests in the journal, and no light."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    Lamp.lamp = DARK
    yield
    Lamp.lamp = DARK


@contextlib.contextmanager
def serving(file: Path) -> Iterator[Scene]:
    def opener(_config: CameraConfig, _name: str, size: tuple[int, int], _fit: Fit) -> Steady:
        return Lamp(size)

    with running(lambda: load(file), file=file, opener=opener) as stage:
        wait_until(lambda: stage.seen("front") >= 10)
        yield Scene(stage)
    assert stage.failures == []


@pytest.fixture
def one_core(file: Path) -> Path:
    """Its settings, so that what is slow is slow on every machine."""
    file.write_text(file.read_text(encoding="utf-8") + "threads: 1\n")
    return file


def sha256_of(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def lost_at_swaps(scene: Scene) -> int:
    """Most frames that nobody saw where one model's results end and another's begin, beyond what is usual here."""
    results = tuple(scene.stage.sink.results)
    gaps = [(later.frame.seq - one.frame.seq - 1, one.view is later.view) for one, later in pairwise(results)]
    usual = max(gap for gap, same in gaps if same)
    return max((gap for gap, same in gaps if not same), default=0) - usual


def test_a_good_one_swaps_and_serves_after_a_restart(file: Path, tmp_path: Path) -> None:
    before, new = sessions(), suspects.good(tmp_path / "new.onnx")
    with serving(file) as scene:
        old = scene.sha256
        scene.deploy(new)
        assert scene.sha256 == sha256_of(new) != old
        assert scene.told == "serving: tiny serves, before it tiny"
        status = scene.stage.daemon.state.status().to_dict()
        assert status["model_sha256"] == sha256_of(new) and status["deployment"]["sha256"] == sha256_of(new)
        assert scene.events() == []
        count = scene.stage.seen("front")
        wait_until(lambda: scene.stage.seen("front") > count + 5)
        assert lost_at_swaps(scene) <= 1
        wait_until(lambda: sessions() == before + 1)
    with serving(file) as scene:
        assert scene.sha256 == sha256_of(new)
        ServiceModel(back=True).run()
        assert scene.sha256 == old
        with pytest.raises(UsageError, match="no model served before"):
            ServiceModel(back=True).run()
    with serving(file) as scene:
        assert scene.sha256 == old
    assert [each.stage for each in deployed.read().attempts] == ["serving", "serving"]
    assert list(deployed.folder().glob("*.onnx")) == [], "what can't serve again is removed"


def test_models_that_served_serve_again_one_after_the_other(file: Path, tmp_path: Path) -> None:
    with serving(file) as scene:
        served = [scene.sha256]
        for number in range(2):
            ServiceModel(str(save_tiny(tmp_path / "n.onnx", licence=str(number))), canary="0").run()
            served.append(scene.sha256)
        assert len(set(served)) == 3
        for wanted in (served[1], served[0]):
            ServiceModel(back=True).run()
            assert scene.sha256 == wanted


def test_wrong_labels_never_serve(file: Path, tmp_path: Path) -> None:
    with serving(file) as scene:
        old = scene.sha256
        with pytest.raises(BudgetMissed, match=r"refused: it gives .* % of the pixels the class"):
            scene.deploy(suspects.wrong_labels(tmp_path / "new.onnx"))
        assert scene.sha256 == old and scene.told.startswith("refused: it gives")
        wait_until(lambda: len(scene.events()) == 2)
        clear, start = scene.events()
        assert (start.kind, clear.kind, start.rule, start.measure) == ("start", "clear", "model-worse", "agreement")
        assert start.value < start.threshold == 0.7 and start.camera == "front" and clear.duration_s == 0.0
        assert "model tiny refused: it gives" in scene.stage.daemon.state.line()
        assert {result.segmentation.broken for result in scene.stage.sink.results} == {0}


def test_no_numbers_beside_the_old_one(file: Path, tmp_path: Path) -> None:
    Lamp.lamp = BRIGHT
    with serving(file) as scene:
        old = scene.sha256
        with pytest.raises(BudgetMissed, match="refused: front: the network's outputs are no numbers"):
            scene.deploy(suspects.no_numbers(tmp_path / "new.onnx"))
        assert scene.sha256 == old
        wait_until(lambda: len(scene.events()) == 2)
        assert scene.events()[1].measure == "invalid"


def when_it_serves(scene: Scene, act: Callable[[], None]) -> threading.Thread:
    """Called when the new model is in the old one's place."""
    old = scene.sha256

    def wait() -> None:
        wait_until(lambda: scene.sha256 != old)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def brighten() -> None:
    Lamp.lamp = BRIGHT


def test_no_numbers_in_its_place(file: Path, tmp_path: Path) -> None:
    with serving(file) as scene:
        old = scene.sha256
        thread = when_it_serves(scene, brighten)
        with pytest.raises(BudgetMissed, match="reverted: front: the network's outputs are no numbers"):
            scene.deploy(suspects.no_numbers(tmp_path / "new.onnx"))
        thread.join()
        invalid = scene.stage.daemon.state.status().cameras["front"].invalid
        assert scene.sha256 == old and invalid == 1
        count = scene.stage.seen("front")
        wait_until(lambda: scene.stage.seen("front") > count + 5)
        assert lost_at_swaps(scene) <= invalid + 1
        assert scene.stage.daemon.state.status().cameras["front"].state == "running"
        wait_until(lambda: len(scene.events()) == 2)
        clear = scene.events()[0]
        assert clear.measure == "invalid" and clear.duration_s is not None and clear.duration_s < CANARY_S


def test_a_slow_one_beside_the_old_one(one_core: Path, tmp_path: Path) -> None:
    Lamp.lamp = BRIGHT
    with serving(one_core) as scene:
        old = scene.sha256
        with pytest.raises(BudgetMissed, match=r"refused: a frame takes it \d+ ms beside the old model"):
            scene.deploy(suspects.slow(tmp_path / "new.onnx"), slower=1.25)
        assert scene.sha256 == old


def test_a_slow_one_in_its_place(one_core: Path, tmp_path: Path) -> None:
    with serving(one_core) as scene:
        old = scene.sha256
        thread = when_it_serves(scene, brighten)
        began_s = time.monotonic()
        with pytest.raises(BudgetMissed, match=r"reverted: front: (results are|\d+\.\d frames/s)"):
            scene.deploy(suspects.slow(tmp_path / "new.onnx"), slower=1.25)
        thread.join()
        assert scene.sha256 == old and time.monotonic() - began_s < 4 * CANARY_S
        wait_until(lambda: len(scene.events()) == 2)
        clear = scene.events()[0]
        assert clear.measure in ("age_ms", "frames_per_second") and (clear.duration_s or 99) < CANARY_S


@pytest.mark.parametrize(
    ("make", "error", "why"),
    [
        (suspects.other_classes, UsageError, "only one of the models has"),
        (lambda path: save_tiny(path, fit="crop"), ModelError, "wants fit crop, the model at work stretch"),
        (lambda path: path.write_bytes(b"nonsense") and path, ModelError, "not an ONNX model, or a damaged one"),
        (lambda path: path, ModelError, "no such model"),
        (lambda path: path.with_suffix(".engine"), UsageError, "an engine: give the .onnx file"),
    ],
)
def test_what_can_not_serve_is_refused(
    file: Path, tmp_path: Path, make: Callable[[Path], Path], error: type[EdgeSegnetError], why: str
) -> None:
    with serving(file) as scene:
        old = scene.sha256
        with pytest.raises(error, match=why):
            scene.deploy(make(tmp_path / "new.onnx"))
        assert scene.sha256 == old
        assert deployed.asked() is None and deployed.read().under_way is None


def test_a_file_that_is_damaged_after_it_was_asked_for(file: Path) -> None:
    with serving(file) as scene:
        old, sha256 = scene.sha256, "ab" * 32
        deployed.folder().mkdir(parents=True, exist_ok=True)
        deployed.file_of(sha256).write_bytes(b"nonsense")
        deployed.ask(deployed.Request(sha256, "mine", canary_s=0.0))
        wait_until(lambda: deployed.read().attempts)
        attempt = deployed.read().attempts[-1]
        assert (attempt.stage, attempt.code) == ("refused", 3) and "not an ONNX model" in attempt.message
        assert scene.sha256 == old
        wait_until(lambda: not deployed.file_of(sha256).exists())


def test_new_settings_in_the_middle(file: Path, tmp_path: Path) -> None:
    with serving(file) as scene:
        old = scene.sha256

        def edit() -> None:
            file.write_text(file.read_text(encoding="utf-8") + "steady: null\n")
            scene.stage.daemon.reload()

        thread = when_it_serves(scene, edit)
        with pytest.raises(BudgetMissed, match="interrupted: new settings came in the middle of it"):
            scene.deploy(suspects.good(tmp_path / "new.onnx"))
        thread.join()
        wait_until(lambda: scene.stage.daemon.state.reload is not None)
        assert scene.sha256 == old and scene.events() == []


def test_a_stop_in_the_middle(file: Path, tmp_path: Path) -> None:
    before = sessions()
    with serving(file) as scene:
        old = scene.sha256
        thread = when_it_serves(scene, scene.stage.daemon.stop)
        with pytest.raises(BudgetMissed, match="interrupted: the service was stopped"):
            scene.deploy(suspects.good(tmp_path / "new.onnx"))
        thread.join()
    wait_until(lambda: sessions() == before)
    with serving(file) as scene:
        assert scene.sha256 == old and scene.told.startswith("interrupted: ")


def test_a_crash_in_the_middle_leaves_the_old_one(file: Path, tmp_path: Path) -> None:
    """What is on the disk while the new model serves on trial is what a kill -9 leaves."""
    kept: list[bytes] = []
    with serving(file) as scene:
        old = scene.sha256
        journal = deployed.folder() / deployed.JOURNAL
        thread = when_it_serves(scene, lambda: kept.append(journal.read_bytes()))
        scene.deploy(suspects.good(tmp_path / "new.onnx"))
        thread.join()
    assert json.loads(kept[0])["under_way"]["stage"] == "canary"
    journal.write_bytes(kept[0])
    with serving(file) as scene:
        assert scene.sha256 == old
        assert scene.told == "interrupted: the service ended in the middle of it; the old model serves"
        assert scene.events() == [] and deployed.read().attempts[-1].code == 7


def test_other_settings_set_it_aside(file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    other = save_tiny(tmp_path / "other.onnx", licence="other")
    with serving(file) as scene:
        ServiceModel(str(suspects.good(tmp_path / "new.onnx")), canary="0").run()
        file.write_text(file.read_text(encoding="utf-8") + "steady: {}\n")
        before = scene.stage.daemon.state.reload
        scene.stage.daemon.reload()
        wait_until(lambda: scene.stage.daemon.state.reload is not before)
        assert scene.sha256 == sha256_of(tmp_path / "new.onnx"), "other settings leave it where it is"
        file.write_text(settings(other))
        scene.stage.daemon.reload()
        wait_until(lambda: scene.sha256 == sha256_of(other))
        wait_until(lambda: "set aside: the settings name another model now" in scene.told)
    assert deployed.read().deployed is None


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"nonsense")])
def test_a_deployed_file_that_is_lost_does_not_stop_the_robot(
    file: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    with serving(file) as scene:
        old = scene.sha256
        ServiceModel(str(suspects.good(tmp_path / "new.onnx")), canary="0").run()
        new = scene.sha256
    damage(deployed.file_of(new))
    with serving(file) as scene:
        assert scene.sha256 == old
        wait_until(lambda: scene.told.startswith("set aside: "))


def test_a_damaged_journal_is_told(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    deployed.folder().mkdir(parents=True)
    (deployed.folder() / deployed.JOURNAL).write_text('{"deployed": {"sha256": "../../etc"}}')
    with serving(file) as scene:
        assert "journal.json: damaged" in caplog.text and scene.sha256
        with pytest.raises(ModelError, match="damaged"):
            ServiceModel().run()


def test_without_a_service(model: Path) -> None:
    with pytest.raises(UsageError, match="no service keeps its state in"):
        ServiceModel(str(model)).run()
    assert not (state_folder() / "models").exists()


@pytest.mark.parametrize("bad", [{"canary": "soon"}, {"agreement": 1.5}, {"slower": float("nan")}, {"back": True}])
def test_nonsense_is_refused_before_anything_is_asked(file: Path, tmp_path: Path, bad: dict[str, object]) -> None:
    with serving(file):
        with pytest.raises(UsageError):
            ServiceModel(str(suspects.good(tmp_path / "new.onnx")), **bad).run()  # type: ignore[arg-type]
        assert deployed.asked() is None


def test_the_history_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    mine, own = Served("ab" * 32, "mine", "segnet-lite"), Served("cd" * 32, "segnet-lite", "segnet-lite", own=True)
    attempt = Attempt("1", "2026-11-28T05:00:00Z", mine.sha256, "mine", "serving", "mine serves")
    Journal(mine, (own,), None, (attempt,)).write()
    ServiceModel().run()
    assert capsys.readouterr().out == (
        f"mine serves ({'ab' * 32})\n"
        "  before: segnet-lite (the settings' own)\n"
        "2026-11-28T05:00:00Z  mine (abababababab)  serving: mine serves\n"
    )
    ServiceModel(json=True).run()
    told = json.loads(capsys.readouterr().out)
    assert told["deployed"]["sha256"] == mine.sha256 and told["attempts"][0]["stage"] == "serving"
