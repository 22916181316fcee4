"""The measurement: frames in, latencies out. A loop like the service's, with a clock at every stage."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Final, Protocol

from edge_segnet.bench.report import Agreement, Bare, Phase, distribution
from edge_segnet.core.documents import result_document
from edge_segnet.core.types import Backend, Frame, Result, Segmentation, View

ROUND_S: Final = 0.5
"""The loop and the bare network run in turns of this length, so that a busy or hot machine treats both alike."""
LEAST_ROUNDS: Final = 5
BARE_SHARE: Final = 0.5
"""Time for the bare network, relative to the loop's."""


class BareBackend(Backend, Protocol):
    """A backend that can run its network alone."""

    def bare_ms(self, frame: Frame) -> float:
        """Milliseconds of the network without upload, decode and download."""
        ...


Frames = Callable[[], Frame]
"""The next frame, whenever it is asked for; its capture time is now."""
Advance = Callable[[], None]


def replayed(frames: Sequence[Frame]) -> Frames:
    """Frames from memory, over and over: what is measured then is this program and not a decoder."""
    order = _endless(frames)
    return lambda: next(order)


def _endless(frames: Sequence[Frame]) -> Iterator[Frame]:
    seq = 0
    while True:
        for frame in frames:
            yield replace(frame, seq=seq, captured_ns=time.monotonic_ns(), captured_at=time.time())
            seq += 1


@dataclass
class _Samples:
    seconds: float = 0.0
    dropped: int = 0
    late: int = 0
    latency_ms: list[float] = field(default_factory=list)
    age_ms: list[float] = field(default_factory=list)
    host_ms: list[float] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    stages_ms: dict[str, list[float]] = field(default_factory=dict)


class Loop:
    """Takes frames, segments and publishes them, and writes down how long everything took."""

    def __init__(self, backend: Backend, model: str, frames: Frames, advance: Advance = lambda: None) -> None:
        self._backend, self._model, self._frames, self._advance = backend, model, frames, advance
        self._view = View(backend.classes)

    def warm_up(self, seconds: float) -> None:
        """Run unmeasured, at least once."""
        self._back_to_back(seconds, _Samples())

    def back_to_back(self, seconds: float) -> tuple[Phase, Bare | None]:
        """As fast as it goes, in turns with the bare network where the backend has one."""
        samples = _Samples()
        if not hasattr(self._backend, "bare_ms"):
            self._back_to_back(seconds, samples)
            return _phase("back_to_back", None, samples), None
        bare, overheads = list[float](), list[float]()
        rounds = max(LEAST_ROUNDS, round(seconds / ROUND_S))
        for _ in range(rounds):
            done = len(samples.latency_ms)
            self._back_to_back(seconds / rounds, samples)
            alone = self._bare(seconds * BARE_SHARE / rounds)
            overheads.append(median(samples.latency_ms[done:]) - median(alone))
            bare += alone
        return _phase("back_to_back", None, samples), _overhead(overheads, bare, self._backend.name)

    def paced(self, seconds: float, rate: float) -> Phase:
        """A frame every 1/rate seconds; one that comes while the loop is busy is replaced by a newer one."""
        samples, period_ns = _Samples(), int(1e9 / rate)
        start_ns = time.monotonic_ns()
        number = 0
        while number * period_ns < seconds * 1e9:
            due_ns = start_ns + number * period_ns
            behind = time.monotonic_ns() - due_ns
            if behind > period_ns:
                samples.dropped += behind // period_ns
                number += behind // period_ns
                continue
            if behind < 0:
                time.sleep(-behind / 1e9)
            age_ms = self._one(samples, due_ns)
            samples.late += age_ms > period_ns / 1e6
            number += 1
        samples.seconds = (time.monotonic_ns() - start_ns) / 1e9
        return _phase("paced", rate, samples)

    def _back_to_back(self, seconds: float, samples: _Samples) -> None:
        gc.collect()
        started = time.perf_counter()
        while True:
            self._one(samples, None)
            elapsed = time.perf_counter() - started
            if elapsed >= seconds:
                break
        samples.seconds += elapsed

    def _one(self, samples: _Samples, due_ns: int | None) -> float:
        """One frame through the loop; returns its age in ms. ``due_ns``: when it counts as captured."""
        started = time.perf_counter()
        frame = self._frames()
        captured = time.perf_counter()
        segmentation = self._backend.infer([frame])[0]
        inferred = time.perf_counter()
        self._publish(frame, segmentation)
        published = time.perf_counter()
        age_ms = (time.monotonic_ns() - (frame.captured_ns if due_ns is None else due_ns)) / 1e6
        stages = {
            "capture": 1e3 * (captured - started),
            **segmentation.stages_ms,
            "publish": 1e3 * (published - inferred),
        }
        for stage, time_ms in stages.items():
            samples.stages_ms.setdefault(stage, []).append(time_ms)
        latency_ms = 1e3 * (published - started)
        samples.at_s.append(started - samples.started)
        samples.latency_ms.append(latency_ms)
        samples.host_ms.append(max(latency_ms - sum(segmentation.stages_ms.values()), 0.0))
        samples.age_ms.append(age_ms)
        self._advance()
        return age_ms

    def _publish(self, frame: Frame, segmentation: Segmentation) -> None:
        """What every sink gets: the result as a line of JSON."""
        age_ms = (time.monotonic_ns() - frame.captured_ns) / 1e6
        result = Result(frame, segmentation, self._view, self._backend.name, self._model, age_ms)
        result_document(result).to_json()

    def _bare(self, seconds: float) -> list[float]:
        backend: BareBackend = self._backend  # type: ignore[assignment]  # back_to_back asked
        frame, times = self._frames(), list[float]()
        started = time.perf_counter()
        while time.perf_counter() - started < seconds or not times:
            times.append(backend.bare_ms(frame))
        return times


def _phase(mode: str, rate: float | None, samples: _Samples) -> Phase:
    return Phase.model_validate(
        {
            "mode": mode,
            "rate": rate,
            "seconds": round(samples.seconds, 3),
            "fps": round(len(samples.latency_ms) / samples.seconds, 3),
            "dropped": samples.dropped,
            "late": samples.late,
            "latency_ms": distribution(samples.latency_ms),
            "age_ms": distribution(samples.age_ms),
            "stages_ms": {stage: distribution(times) for stage, times in samples.stages_ms.items()},
            "host_ms": distribution(samples.host_ms),
            "samples_ms": tuple(round(value, 3) for value in samples.latency_ms),
            "samples_at_s": tuple(round(value, 3) for value in samples.at_s),
        }
    )


def _overhead(overheads: Sequence[float], bare: Sequence[float], backend: str) -> Bare:
    what = "GPU Compute Time, as trtexec has it" if backend.startswith("tensorrt") else "one run of the network"
    return Bare(
        what=what,
        time_ms=distribution(bare),
        overhead_ms=round(median(overheads), 4),
        overhead_share=round(median(overheads) / median(bare), 4),
        samples_ms=tuple(round(value, 3) for value in bare),
    )


def agree(backend: Backend, reference: Backend, frames: Sequence[Frame]) -> Agreement:
    """Share of labels that ``backend`` and ``reference`` have in common."""
    shares = [
        float((backend.infer([frame])[0].labels == reference.infer([frame])[0].labels).mean()) for frame in frames
    ]
    return Agreement(frames=len(shares), share=round(sum(shares) / len(shares), 5), worst_share=round(min(shares), 5))
