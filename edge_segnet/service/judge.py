"""Is a new model worse than the old one? First beside it, on a share of the frames that it serves; then in its place.

Shadow   both models' labels of the same frames: agreement, overlap of every class, numbers that are none
Trial    results as everybody gets them: how many, how old, whether they are numbers
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from edge_segnet.core import threads
from edge_segnet.core.classes import ids_in
from edge_segnet.core.documents.event import Measure
from edge_segnet.core.errors import BudgetMissed
from edge_segnet.core.soundness import fault
from edge_segnet.core.types import Result
from edge_segnet.pictures.shape import scaled, unfit_labels
from edge_segnet.service.camera import WORKING, Camera
from edge_segnet.service.model import Loaded
from edge_segnet.settings.limits import Limits

FEW: Final = 5
"""Frames below which nobody can judge."""
SEEN: Final = 0.02
"""Share of the pixels below which a class is too rare for its overlap to mean anything."""
SLACK_MS: Final = 10.0
"""By which results may be older whatever the factor: a scheduler's whims."""
EARLY_S: Final = 2.0
"""From here on a model may be called worse before its time is over; a network's first frames are slow."""
EARLY: Final = 1.5
"""After so long, a model that misses a limit by this factor more is not waited for."""
BESIDE: Final = 2.0
"""In the shadow each of the two models has half of the machine: there it may take this much longer still."""


class Worse(BudgetMissed):
    """The new model misses a limit: which, where and by how much."""

    def __init__(self, what: str, measure: Measure, camera: str, value: float, limit: float) -> None:
        super().__init__(what)
        self.measure, self.camera, self.value, self.limit = measure, camera, value, limit


@dataclass(frozen=True)
class Vitals:
    """What the old model gives a camera: results per second, and their median age."""

    rate: float
    age_ms: float


def vitals(cameras: Mapping[str, Camera]) -> dict[str, Vitals]:
    """Of the cameras that work, and have for a while."""
    found = {}
    for name, camera in cameras.items():
        ages, rate = camera.telemetry.ages(), camera.telemetry.frames_per_second()
        if camera.state.state in WORKING and ages is not None and ages.count >= FEW and rate > 0.0:
            found[name] = Vitals(rate, ages.p50_ms)
    return found


class Shadow:
    """The new model on frames that the old one has served; nobody gets what it makes of them."""

    def __init__(self, old: Loaded, new: Loaded) -> None:
        """Raises UsageError: they don't have the same classes."""
        self._new = new
        self._ids = ids_in(old.card.classes, new.card.classes, new.card.name)
        self._names = old.card.classes.names
        self._void = len(self._names)
        size = self._void + 1
        self._matrix = np.zeros((size, size), np.int64)
        self._times_ms: tuple[list[float], list[float]] = ([], [])
        self.frames = 0

    def look(self, result: Result) -> None:
        """One frame more.

        Raises:
            Worse: the new model makes no numbers of it.
            ModelError, DeviceLost: it fails.
        """
        frame, old = result.frame, result.segmentation
        image = scaled(frame.image, self._new.backend.input_size)
        new = self._new.backend.infer([replace(frame, image=image)])[0]
        if what := fault(new):
            raise Worse(f"{frame.camera}: {what}", "invalid", frame.camera, 1.0, 0.0)
        labels = unfit_labels(self._ids[new.labels], old.labels.shape[1::-1], self._void)
        size = self._void + 1
        pairs = old.labels.astype(np.int64) * size + labels
        self._matrix += np.bincount(pairs.reshape(-1), minlength=size * size).reshape(size, size)
        for times, found in zip(self._times_ms, (old, new), strict=True):
            times.append(found.network_ms or 0.0)
        self.frames += 1

    @property
    def agreement(self) -> float:
        """Share of the pixels with a class, by the old model, that have the same by the new one."""
        known = self._matrix[: self._void]
        return float(np.trace(known)) / max(int(known.sum()), 1)

    def judge(self, limits: Limits, camera: str) -> None:
        """``camera``: one of those that were looked at, for the event.

        Raises:
            Worse: they see different things, or the new one is far slower.
            BudgetMissed: too few frames came.
        """
        self._require_speed(limits, camera)  # one that is slow sees few frames
        require(self.frames)
        if self.agreement < limits.agreement:
            what = f"it gives {100 * self.agreement:.1f} % of the pixels the class that the old model gives"
            limit = f"limit {100 * limits.agreement:.1f} %, in {self.frames} frames"
            raise Worse(f"{what} ({limit})", "agreement", camera, self.agreement, limits.agreement)
        name, overlap = self._least()
        if overlap < limits.class_agreement:
            what = f"it sees {name} elsewhere than the old model: overlap {100 * overlap:.1f} %"
            limit = f"limit {100 * limits.class_agreement:.1f} %, in {self.frames} frames"
            raise Worse(f"{what} ({limit})", "agreement", camera, overlap, limits.class_agreement)

    def _require_speed(self, limits: Limits, camera: str) -> None:
        old, new = (float(np.median(times or [0.0])) for times in self._times_ms)
        most = BESIDE * limits.slower * old + SLACK_MS
        if new > most:
            what = f"a frame takes it {new:.0f} ms beside the old model, which takes {old:.0f} ms"
            raise Worse(f"{what} (limit {most:.0f})", "age_ms", camera, new, most)

    def _least(self) -> tuple[str, float]:
        """The class on which they overlap least, of those of which the old one sees something."""
        matrix = self._matrix[: self._void, : self._void]
        both = np.diagonal(matrix)
        either = self._matrix[: self._void].sum(1) + self._matrix[:, : self._void].sum(0) - both
        common = self._matrix[: self._void].sum(1) >= SEEN * max(int(self._matrix.sum()), 1)
        overlaps = np.where(common, both / np.maximum(either, 1), 1.0)
        place = int(np.argmin(overlaps))
        return self._names[place], float(overlaps[place])


def require(frames: int) -> None:
    """Raises BudgetMissed: so few frames came that nobody can judge."""
    if frames < FEW:
        hint = "is a camera at work? a longer --canary sees more; --canary 0 judges by the self-test alone"
        raise BudgetMissed(f"only {frames} frames came, too few to judge the new model", hint=hint)


class Trial:
    """The new model in the old one's place, from its making on."""

    def __init__(
        self,
        cameras: Mapping[str, Camera],
        before: Mapping[str, Vitals],
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cameras = {name: cameras[name] for name in before if name in cameras}
        self._before, self._limits, self._clock = before, limits, clock
        self._began_s = clock()
        self._frames = {name: camera.telemetry.frames for name, camera in self._cameras.items()}
        self._invalid = {name: camera.invalid for name, camera in self._cameras.items()}
        self._faults = {(each.thread, each.times) for each in threads.faults()}

    def look(self) -> None:
        """To be called often.

        Raises:
            Worse: a frame was no numbers; or results are so few, or so old, that nobody waits for the end.
        """
        for name, camera in self._cameras.items():
            if count := camera.invalid - self._invalid[name]:
                raise Worse(f"{name}: {camera.state.message}", "invalid", name, float(count), 0.0)
        for each in threads.faults():
            name = each.thread.removeprefix("loop-")
            if name in self._cameras and (each.thread, each.times) not in self._faults:
                raise Worse(f"{name}: {each.message}", "invalid", name, 1.0, 0.0)
        slowest = min((vital.rate for vital in self._before.values()), default=1.0)
        if self._clock() - self._began_s >= max(EARLY_S, 2 * FEW / slowest):
            self._judge(EARLY)

    def judge(self) -> None:
        """At the end.

        Raises:
            Worse: results are fewer, or older, than the limits allow.
            BudgetMissed: too few frames came.
        """
        self._judge(1.0)  # few frames where many should have come are its verdict
        require(sum(camera.telemetry.frames - self._frames[name] for name, camera in self._cameras.items()))

    def _judge(self, slack: float) -> None:
        past_s, factor = self._clock() - self._began_s, slack * self._limits.slower
        for name, camera in self._cameras.items():
            if camera.state.state not in WORKING:
                continue  # it went away, which is no model's fault
            before, least = self._before[name], self._before[name].rate / factor
            rate = (camera.telemetry.frames - self._frames[name]) / past_s
            if rate < least and before.rate * past_s >= FEW:
                what = f"{name}: {rate:.1f} frames/s, with the old model {before.rate:.1f}"
                raise Worse(f"{what} (limit {least:.1f})", "frames_per_second", name, rate, least)
            ages, most = camera.telemetry.ages(self._began_s), factor * before.age_ms + SLACK_MS
            if ages is not None and ages.p50_ms > most:
                what = f"{name}: results are {ages.p50_ms:.0f} ms old, the old model's {before.age_ms:.0f} ms"
                raise Worse(f"{what} (limit {most:.0f})", "age_ms", name, ages.p50_ms, most)
