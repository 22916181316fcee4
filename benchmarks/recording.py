"""What recording costs beside the encoding of its pictures: CPU time of the whole process, with and without."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure
from edge_segnet.core.types import Result
from edge_segnet.sinks.messages import Kind, Messages
from edge_segnet.sinks.recording.settings import RecordingConfig
from edge_segnet.sinks.recording.sink import RecordingSink
from tests.support.service import StreetService, drive, renumbered

SIZE = (480, 360)
RATE = 30.0
SECONDS, ROUNDS = 4.0, 3
FRAMES = 64
"""Different ones: compression would make little of a chunk in which they come again."""
KINDS: tuple[Kind, ...] = ("camera", "mask", "regions", "result")
"""What the default settings record."""


def run(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """One camera at 480x360 and 30 frames/s, JPEG 80."""
    street = drive(FRAMES, SIZE)
    service = StreetService()
    messages = Messages(service, 80)
    beside, encoding, written = [], [], []

    def encode(result: Result) -> None:
        for kind in KINDS:
            messages.of(result, kind)

    for _ in range(ROUNDS):
        alone = _core_share(street, encode)
        with tempfile.TemporaryDirectory(dir=folder) as path:
            sink = RecordingSink(RecordingConfig(path=Path(path), free_mb=0), service)
            sink.start()
            try:
                whole = _core_share(street, sink.publish)
            finally:
                sink.close()
            written.append(sum(file.stat().st_size for file in Path(path).iterdir()) / SECONDS / 1e6)
        encoding.append(alone)
        beside.append(whole - alone)
    return [
        Figure("MCAP 480x360 at 30 frames/s: beside encoding", 100 * median(beside), "% of a core", 10.0),
        Figure("MCAP 480x360 at 30 frames/s: encoding", 100 * median(encoding), "% of a core"),
        Figure("MCAP 480x360 at 30 frames/s: written", median(written), "MB/s"),
    ]


def _core_share(street: list[Result], take: Callable[[Result], None]) -> float:
    """CPU time over wall time, all threads, while results are taken at the rate."""
    began, cpu = time.perf_counter(), time.process_time()
    for seq in range(int(SECONDS * RATE)):
        take(renumbered(street[seq % len(street)], seq))
        time.sleep(max(0.0, began + (seq + 1) / RATE - time.perf_counter()))
    return (time.process_time() - cpu) / (time.perf_counter() - began)
