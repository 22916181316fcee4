"""Percentiles, budgets, comparisons: the arithmetic of the benchmark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest

from edge_segnet.bench.budget import Bound, judge, read_budget
from edge_segnet.bench.compare import compare, differing_conditions
from edge_segnet.bench.measure import Loop, replayed
from edge_segnet.bench.report import Report, distribution, read_report
from edge_segnet.core.errors import InputError, SettingsError
from edge_segnet.core.types import Done, Frame, Segmentation
from tests.backends.test_onnx_backend import frame_of
from tests.conftest import picture
from tests.cuda.network import fake_backend
from tests.support.models import tiny_model

SCHEMA = Path(__file__).parents[2] / "edge_segnet" / "bench" / "schema.json"
NOTHING: dict[str, Any] = {"temperatures_c": {}, "clocks_mhz": {}, "throttle_events": {}, "power_mode": None}


def phase(latencies: list[float]) -> dict[str, Any]:
    times = distribution(latencies).model_dump()
    return {
        "mode": "back_to_back",
        "rate": None,
        "seconds": sum(latencies) / 1e3,
        "fps": 1e3 * len(latencies) / sum(latencies),
        "dropped": 0,
        "late": 0,
        "latency_ms": times,
        "age_ms": times,
        "stages_ms": {"network": times},
        "host_ms": times,
        "samples_ms": latencies,
        "samples_at_s": np.cumsum(latencies).tolist(),
    }


def report(latencies: list[float], **provenance: Any) -> Report:
    facts = {
        "edge_segnet": "0",
        "git_revision": None,
        "started_at": "2026-01-01T00:00:00+00:00",
        "arguments": {},
        "model": "tiny",
        "model_sha256": "0" * 64,
        "network_size": (64, 48),
        "backend": "onnx",
        "backend_details": {},
        "source": "synthetic://drive",
        "source_kind": "memory",
        "versions": {},
        "machine": {"system": "test"},
    }
    return Report.model_validate(
        {
            "provenance": facts | provenance,
            "cold_start": {"imports_ms": 1, "model_ms": 2, "backend_ms": 3, "first_frame_ms": 4},
            "phases": {"back_to_back": phase(latencies)},
            "bare": None,
            "agreement": None,
            "memory": {
                "peak_rss_mb": 100,
                "growth_mb": 0,
                "gpu_free_mb": None,
                "gpu_total_mb": None,
                "nvmap_mb": None,
            },
            "energy": {},
            "before": NOTHING,
            "after": NOTHING,
        }
    )


@pytest.mark.parametrize("count", [1, 9, 10, 50, 99, 100, 500, 501, 999, 5000, 6007])
def test_percentiles_are_trtexecs(count: int) -> None:
    """``all - 1 - floor((1 - p) * all)`` of sampleReporting.cpp, and only where five samples lie beyond."""
    values = np.random.default_rng(count).permutation(count).astype(float).tolist()
    found = distribution(values)
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)):
        beyond = int(np.floor(round((1 - share) * count, 6)))
        value = getattr(found, name)
        assert (value is None) == (name in found.too_few) == (beyond < 5)
        if value is not None:
            assert value == count - 1 - beyond
    assert found.n == count and found.max == count - 1 and found.mean == pytest.approx((count - 1) / 2, abs=1e-3)


def test_no_samples() -> None:
    found = distribution([])
    assert (found.n, found.mean, found.max, found.p50) == (0, None, None, None)


def test_the_published_schema_is_the_one_in_use() -> None:
    """Refresh it with: python -m edge_segnet.bench.report > edge_segnet/bench/schema.json"""
    if tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 12):
        pytest.skip(f"pydantic {pydantic.VERSION} words schemas in another way than the file's")
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == Report.model_json_schema()


def test_a_budget(tmp_path: Path) -> None:
    path = tmp_path / "budget.yaml"
    path.write_text(
        "phases.back_to_back.fps: {min: 90, max: 110}\n"
        "phases.back_to_back.latency_ms.p50: {max: 9.9}\n"
        "phases.back_to_back.latency_ms.p99_9: {max: 1000}\n"
        "phases.paced.age_ms.p50: {max: 1000}\n"
        "bare.overhead_ms: {max: 1}\n",
        encoding="utf-8",
    )
    verdicts = judge(report([10.0] * 100), read_budget(path))
    assert [verdict.met for verdict in verdicts] == [True, False, False, False, False]
    assert [verdict.value for verdict in verdicts] == [100.0, 10.0, None, None, None]
    assert verdicts[0].bound.text == ">= 90 and <= 110"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no bounds"),
        ("- 1", "no bounds"),
        ("x: 3", "x: 3 is no bound"),
        ("x: {most: 3}", "is no bound"),
        ("x: {max: fast}", "is no bound"),
        ("x: {max: true}", "is no bound"),
        ("x: {}", "is no bound"),
        ("[", "not YAML"),
    ],
)
def test_what_is_no_budget(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "budget.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        read_budget(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("phases.back_to_back.speed", "no 'speed' there: it has mode, rate"), ("provenance.model", "is not a number")],
)
def test_a_bound_on_nothing(name: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        judge(report([10.0] * 100), [Bound(name, None, 1.0)])


def noisy(mean: float, count: int = 400, seed: int = 0) -> list[float]:
    """Latencies that wander, as a busy machine's do: neighbours are alike."""
    rng = np.random.default_rng(seed)
    drift = np.convolve(rng.normal(0, 1, count + 40), np.ones(41) / 41, "valid")
    latencies: list[float] = (mean * (1 + 0.1 * drift + rng.normal(0, 0.02, count))).tolist()
    return latencies


def test_a_real_change_is_told_from_noise() -> None:
    for factor, wanted in ((1.3, "slower"), (0.7, "faster")):
        changes = compare(report(noisy(10.0)), report(noisy(10.0 * factor, seed=1)))
        assert changes[0].name == "back_to_back latency p50" and changes[0].kind == wanted
        assert changes[0].share == pytest.approx(factor - 1, abs=0.05)
    assert changes[1].name == "back_to_back network p50"


def test_two_equal_runs_are_the_same_nearly_always() -> None:
    kinds = [compare(report(noisy(10.0, seed=2 * n)), report(noisy(10.0, seed=2 * n + 1)))[0].kind for n in range(60)]
    assert kinds.count("same") >= 56


def test_short_runs_say_nothing() -> None:
    change = compare(report([10.0] * 12), report([20.0] * 12))[0]
    assert change.kind == "unknown" and change.noise is None


def test_other_conditions_are_named() -> None:
    assert differing_conditions(report([1.0] * 9), report([1.0] * 9)) == []
    found = differing_conditions(report([1.0] * 9), report([1.0] * 9, backend="tensorrt", network_size=(96, 64)))
    assert found == ["network size: (64, 48), then (96, 64)", "backend: onnx, then tensorrt"]


def test_what_is_no_report(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(InputError, match=r"x\.json: No such file"):
        read_report(path)
    path.write_text('{"format": 1}', encoding="ascii")
    with pytest.raises(InputError, match=r"not a report \(provenance: Field required\): make one with"):
        read_report(path)
    path.write_text(report([1.0] * 9).model_dump_json(), encoding="ascii")
    assert read_report(path).provenance.model == "tiny"


def test_the_loop_on_a_gpu_has_all_stages_and_its_overhead() -> None:
    backend, driver, _ = fake_backend(tiny_model())
    loop = Loop(backend, "tiny", replayed([frame_of(picture(64, 48, seed)) for seed in range(3)]))
    loop.warm_up(0.0)
    found, bare = loop.back_to_back(0.2)
    assert list(found.stages_ms) == ["capture", "upload", "network", "decode", "download", "publish"]
    assert {times.n for times in found.stages_ms.values()} == {found.latency_ms.n} == {len(found.samples_ms)}
    assert bare is not None and bare.what.startswith("GPU Compute Time") and bare.time_ms.mean == 0.25
    assert found.stages_ms["network"].mean == 0.25 and found.host_ms.mean is not None and found.host_ms.mean > 0
    made = driver.allocations
    paced = loop.paced(0.3, 50)
    assert driver.allocations == made
    assert paced.rate == 50 and paced.latency_ms.n + paced.dropped >= 14
    assert paced.fps < 55


class Slow:
    """A backend that takes 30 ms."""

    def __init__(self) -> None:
        import time

        made = tiny_model()
        from edge_segnet.backends.onnx import OnnxBackend

        self._inner, self._sleep = OnnxBackend(made), time.sleep
        self.max_batch, self.name, self.input_size, self.classes = 1, "onnx", made.card.size, made.card.classes

    def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
        self._sleep(0.03)
        return self._inner.infer(frames)

    def submit(self, frames: Sequence[Frame]) -> Done:
        return Done(self.infer(frames))

    def close(self) -> None:
        self._inner.close()


def test_a_loop_that_cannot_keep_up_drops_and_is_late() -> None:
    loop = Loop(Slow(), "slow", replayed([frame_of(picture(64, 48))]))
    found, bare = loop.back_to_back(0.1)
    assert bare is None and found.fps < 34
    paced = loop.paced(0.5, 100)
    assert paced.dropped > 10 and paced.late > 5 and paced.latency_ms.n + paced.dropped <= 52
    assert paced.age_ms.mean is not None and paced.age_ms.mean >= 30
