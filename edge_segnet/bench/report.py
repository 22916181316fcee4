"""What a run of the benchmark says, as one JSON document. ``schema.json`` beside this file is its published schema:
``python -m edge_segnet.bench.report`` prints it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_segnet.core.errors import InputError
from edge_segnet.core.files import read_file
from edge_segnet.core.stats import percentile

PERMILLE: Final = {"p50": 500, "p90": 900, "p99": 990, "p99_9": 999}
LEAST_BEYOND: Final = 5
MAX_BYTES: Final = 64 << 20
"""Samples that must lie beyond a percentile before it means anything: p99 takes 500 frames, p99.9 takes 5,000."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Distribution(_Part):
    """Milliseconds of ``n`` samples. A percentile is null, and named in ``too_few``, where n does not carry it."""

    n: int
    mean: float | None
    p50: float | None
    p90: float | None
    p99: float | None
    p99_9: float | None
    max: float | None
    too_few: tuple[str, ...]


def distribution(samples: Sequence[float]) -> Distribution:
    """Percentiles as everywhere (``core.stats.percentile``), which are trtexec's, too: of n ordered samples the one at
    n - 1 - floor((1 - p) n) (TensorRT, samples/common/sampleReporting.cpp, ``findPercentile``).
    """
    ordered, count = sorted(samples), len(samples)
    values: dict[str, float | None] = dict.fromkeys(PERMILLE)
    for name, permille in PERMILLE.items():
        beyond = count * (1000 - permille) // 1000
        if count and beyond >= LEAST_BEYOND:
            values[name] = round(percentile(ordered, permille / 1000), 4)
    return Distribution(
        n=count,
        mean=round(sum(ordered) / count, 4) if count else None,
        max=round(ordered[-1], 4) if count else None,
        too_few=tuple(name for name, value in values.items() if value is None),
        **values,
    )


class Phase(_Part):
    """One way to feed the loop."""

    mode: Literal["back_to_back", "paced"]
    rate: float | None
    """Frames per second that were offered; null: as fast as they go."""
    seconds: float
    fps: float
    dropped: int
    """Frames that came while another was under way, so that a newer one took their place."""
    late: int
    """Paced: results that were older than a period when they were published."""
    latency_ms: Distribution
    """From taking a frame to having published its result."""
    age_ms: Distribution
    """From capture (paced: from when the frame was due) to having published its result."""
    stages_ms: dict[str, Distribution]
    host_ms: Distribution
    """Latency less the stages that the device reports: what this program itself costs per frame."""
    samples_ms: tuple[float, ...]
    """Latency of every frame, in order."""
    samples_at_s: tuple[float, ...]
    """When each of them was taken, from the start of the phase."""


class Bare(_Part):
    """The network alone, measured in turns with the back-to-back phase."""

    what: str
    time_ms: Distribution
    overhead_ms: float
    """Median over the turns of (median latency less median bare time): what the loop adds to a frame."""
    overhead_share: float
    samples_ms: tuple[float, ...] = ()
    """Every run, in order; reports before 0.2 have none."""


class ColdStart(_Part):
    """Where the time from the program's start to its first result went."""

    imports_ms: float
    model_ms: float
    backend_ms: float
    """Building or loading, verification and self-test."""
    first_frame_ms: float


class Memory(_Part):
    """``growth_mb``: resident memory from the first measured frame to the last."""

    peak_rss_mb: float
    growth_mb: float
    gpu_free_mb: float | None
    gpu_total_mb: float | None
    nvmap_mb: float | None
    """A Jetson's GPU allocations."""


class Readings(_Part):
    """A board at one moment; empty where sysfs has none of it."""

    temperatures_c: dict[str, float]
    clocks_mhz: dict[str, float]
    throttle_events: dict[str, int]
    power_mode: str | None


class Energy(_Part):
    """Of the back-to-back phase (of the paced one too, where there is one)."""

    rail: str
    samples: int
    mean_w: float
    peak_w: float
    joules_per_frame: float


class Agreement(_Part):
    """Labels against the CPU's in float32, on the same frames."""

    frames: int
    share: float
    worst_share: float


class Provenance(_Part):
    """What was measured, so that the figure can be repeated."""

    edge_segnet: str
    git_revision: str | None
    started_at: str
    arguments: dict[str, Any]
    model: str
    model_sha256: str | None
    network_size: tuple[int, int]
    backend: str
    backend_details: dict[str, Any]
    source: str
    source_kind: Literal["memory", "live"]
    versions: dict[str, str]
    machine: dict[str, str]


class Report(_Part):
    """The whole document."""

    format: Literal[1] = 1
    provenance: Provenance
    cold_start: ColdStart
    phases: dict[Literal["back_to_back", "paced"], Phase]
    bare: Bare | None
    agreement: Agreement | None
    memory: Memory
    energy: dict[Literal["back_to_back", "paced"], Energy]
    before: Readings
    after: Readings


class Racer(_Part):
    """One runtime: its bare network over all turns, and its labels against ONNX Runtime's in float32."""

    backend: str
    network_ms: Distribution
    agreement: Agreement | None


class Race(_Part):
    """``bench --backend all``. ``provenance`` is the first run's; the runtimes took ``turns`` turns, each alone."""

    format: Literal[1] = 1
    turns: int
    provenance: Provenance
    race: tuple[Racer, ...]


def read_report(path: Path) -> Report:
    """Raises InputError: not a report of this command."""
    try:
        return Report.model_validate_json(read_file(path, MAX_BYTES))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise InputError(
            f"{path}: not a report ({place}: {first['msg']})", hint="make one with: edge-segnet bench --json FILE"
        ) from error


if __name__ == "__main__":
    print(json.dumps(Report.model_json_schema(), indent=1))  # noqa: T201
