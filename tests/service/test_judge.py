"""What makes a new model worse, on numbers that can be worked out by hand."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.errors import BudgetMissed
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import Done, Frame, Result, Segmentation
from edge_segnet.graph.model_files import ModelCard
from edge_segnet.service.camera import Camera
from edge_segnet.service.judge import FEW, Shadow, Trial, Vitals, Worse, vitals
from edge_segnet.service.model import Loaded
from edge_segnet.settings.limits import Limits
from edge_segnet.sources.health import CameraStatus
from tests.support.results import SIZE, result_of

WIDTH, HEIGHT = SIZE
SKY, ROAD, CAR = 0, 3, 8


def segmented(labels: NDArray[np.uint8], network_ms: float = 1.0, broken: int = 0, together: int = 1) -> Segmentation:
    counts, stages = np.bincount(labels.ravel(), minlength=12).astype(np.int64), {"network": network_ms}
    return Segmentation(labels, counts, None, stages, classes=CAMVID_11, broken=broken, together=together)


class Says:
    """A backend that always says the same."""

    name, max_batch, classes = "says", 1, CAMVID_11

    def __init__(self, found: Segmentation) -> None:
        self.found = found
        self.input_size = found.labels.shape[1::-1]

    def infer(self, frames: list[Frame]) -> list[Segmentation]:
        assert all(frame.image.shape[1::-1] == self.input_size for frame in frames)
        return [self.found for _ in frames]

    def submit(self, frames: list[Frame]) -> Done:
        return Done(self.infer(frames))

    def close(self) -> None:
        """Nothing is held."""


def loaded(found: Segmentation) -> Loaded:
    height, width = found.labels.shape
    card = ModelCard("says", CAMVID_11, (width, height), "stretch", "", {})
    return Loaded(card, cast(Any, Says(found)), 0.0, ())


def picture(*parts: tuple[int, int]) -> NDArray[np.uint8]:
    """Rows of classes: (class, rows)."""
    rows = np.concatenate([np.full(count, index, np.uint8) for index, count in parts])
    assert rows.size == HEIGHT
    return np.ascontiguousarray(np.repeat(rows[:, np.newaxis], WIDTH, 1))


def shadow(old: Segmentation, new: Segmentation, frames: int = FEW) -> Shadow:
    made = Shadow(loaded(old), loaded(new))
    for seq in range(frames):
        made.look(replace(result_of(seq), segmentation=old))
    return made


def test_the_same_is_not_worse() -> None:
    same = segmented(picture((SKY, 12), (ROAD, 12)))
    made = shadow(same, same)
    made.judge(Limits(), "front")
    assert made.agreement == 1.0


def test_agreement_is_counted_over_what_the_old_one_knows() -> None:
    void = len(CAMVID_11)
    old, new = segmented(picture((SKY, 8), (ROAD, 8), (void, 8))), segmented(picture((SKY, 12), (ROAD, 12)))
    made = shadow(old, new)
    assert made.agreement == 0.75
    with pytest.raises(Worse, match=r"75.0 % of the pixels .*limit 80.0 %") as caught:
        made.judge(Limits(agreement=0.8), "front")
    assert (caught.value.measure, caught.value.value, caught.value.camera) == ("agreement", 0.75, "front")


def test_two_classes_that_are_mixed_up_are_found_however_small() -> None:
    """As when it was trained on swapped labels: nine tenths of the pixels agree."""
    old = segmented(picture((SKY, 22), (ROAD, 1), (CAR, 1)))
    new = segmented(picture((SKY, 22), (CAR, 1), (ROAD, 1)))
    with pytest.raises(Worse, match=r"it sees (Road|Car) elsewhere than the old model: overlap 0.0 %"):
        shadow(old, new).judge(Limits(), "front")


def test_another_size_is_compared_at_the_old_ones() -> None:
    old = segmented(picture((SKY, 12), (ROAD, 12)))
    new = segmented(np.ascontiguousarray(np.kron(old.labels, np.ones((2, 2), np.uint8))))
    assert shadow(old, new).agreement == 1.0


def test_one_frame_of_no_numbers_is_enough() -> None:
    same = picture((SKY, 24))
    with pytest.raises(Worse, match="no numbers in 7 of"):
        shadow(segmented(same), segmented(same, broken=7), 1)


def test_beside_the_old_one_it_may_take_twice_as_long() -> None:
    same = picture((SKY, 24))
    shadow(segmented(same, 100.0), segmented(same, 259.0)).judge(Limits(), "front")
    with pytest.raises(Worse, match="261 ms beside the old model, which takes 100 ms"):
        shadow(segmented(same, 100.0), segmented(same, 261.0)).judge(Limits(), "front")


def test_of_frames_that_went_together_one_frames_share_counts() -> None:
    """Four cameras' frames in 400 ms are 100 ms each, for the old model as for the new one."""
    same = picture((SKY, 24))
    shadow(segmented(same, 100.0), segmented(same, 4 * 259.0, together=4)).judge(Limits(), "front")
    with pytest.raises(Worse, match="261 ms beside the old model, which takes 100 ms"):
        shadow(segmented(same, 400.0, together=4), segmented(same, 261.0)).judge(Limits(), "front")


def test_nobody_judges_by_few_frames() -> None:
    same = segmented(picture((SKY, 24)))
    with pytest.raises(BudgetMissed, match="only 4 frames came"):
        shadow(same, same, FEW - 1).judge(Limits(), "front")


@dataclass
class Lens:
    """A camera's numbers, set by hand."""

    telemetry: CameraTelemetry = field(default_factory=CameraTelemetry)
    invalid: int = 0
    word: Any = "running"

    @property
    def state(self) -> CameraStatus:
        return CameraStatus(self.word, 0, "as the test says", 0, 0, 0, 0, 0.0, None, False)

    def see(self, count: int, age_ms: float = 20.0) -> None:
        for seq in range(count):
            result: Result = result_of(seq, age_ms=age_ms)
            self.telemetry.observe(result)


class Clock:
    """Seconds that the test lets pass, beginning now: ages are stamped by the real clock."""

    def __init__(self) -> None:
        self.now_s = time.monotonic()

    def __call__(self) -> float:
        return self.now_s


def trial(clock: Clock, **lenses: Lens) -> Trial:
    before = {name: Vitals(rate=10.0, age_ms=20.0) for name in lenses}
    return Trial(cast("dict[str, Camera]", lenses), before, Limits(), clock)


def test_as_many_results_as_before() -> None:
    clock, front = Clock(), Lens()
    made = trial(clock, front=front)
    front.see(81)
    clock.now_s += 10.0
    made.look()
    made.judge()


def test_fewer_results_are_worse_and_far_fewer_are_not_waited_for() -> None:
    clock, front = Clock(), Lens()
    made = trial(clock, front=front)
    front.see(79)
    clock.now_s += 10.0
    made.look()
    with pytest.raises(Worse, match=r"front: 7.9 frames/s, with the old model 10.0 \(limit 8.0\)"):
        made.judge()
    clock.now_s += 10.0
    with pytest.raises(Worse):
        made.look()


def test_older_results_are_worse() -> None:
    clock, front = Clock(), Lens()
    made = trial(clock, front=front)
    front.see(100, age_ms=36.0)
    clock.now_s += 10.0
    with pytest.raises(Worse, match=r"results are 36 ms old, the old model's 20 ms \(limit 35\)") as caught:
        made.judge()
    assert caught.value.measure == "age_ms"


def test_a_camera_that_went_away_is_no_models_fault() -> None:
    clock, front, rear = Clock(), Lens(), Lens()
    made = trial(clock, front=front, rear=rear)
    front.see(100)
    rear.word = "missing"
    clock.now_s += 10.0
    made.look()
    made.judge()
    front.word = "lost"
    alone = trial(clock, front=front)
    with pytest.raises(BudgetMissed, match="only 0 frames came") as caught:
        alone.judge()
    assert not isinstance(caught.value, Worse)


def test_a_frame_of_no_numbers_is_heard_at_once() -> None:
    front = Lens(invalid=3)
    made = trial(Clock(), front=front)
    made.look()
    front.invalid = 4
    with pytest.raises(Worse, match="as the test says"):
        made.look()


def test_only_cameras_that_work_say_how_it_was() -> None:
    front, rear, dark = Lens(), Lens(word="missing"), Lens()
    front.see(FEW)
    rear.see(FEW)
    dark.see(FEW - 1)
    assert list(vitals(cast("dict[str, Camera]", {"front": front, "rear": rear, "dark": dark}))) == ["front"]


def test_what_can_not_be_on_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may write the state folder may not have root write elsewhere."""
    from edge_segnet.core.errors import ModelError
    from edge_segnet.settings import deployed

    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    deployed.folder().mkdir()
    for text in ("", "[]", '{"sha256": "../x", "name": "", "limits": {}}', "9" * 5000, "\x00"):
        (deployed.folder() / deployed.REQUEST).write_text(text)
        with pytest.raises(ModelError, match="no request"):
            deployed.asked()
        assert deployed.asked() is None, "it is not looked at twice"
