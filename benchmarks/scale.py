"""``python -m benchmarks.scale [--write]``: what a fleet of 1,000 robots makes in a day, on paper.

Sizes, and processor time of one worker, are measured here in about a minute; both hardly depend on what else the
machine does. ``--write`` puts them, and what follows from them, into docs/scale.md. Speeds that need a quiet machine
are those of ``make loop``.
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from edge_segnet.backends.model import BackendOptions, open_model
from edge_segnet.offline.label import local, plan
from edge_segnet.offline.label.plan import Format
from edge_segnet.offline.label.work import Spec
from edge_segnet.pictures.files import decode_image
from edge_segnet.sinks.recording.settings import RecordingConfig
from tests.support import drives
from tests.support.recordings import files_in, recording
from tests.support.service import StreetService, drive, renumbered
from tests.support.waiting import wait_until

PAGE: Final = Path(__file__).parent.parent / "docs" / "scale.md"
MODEL: Final = "segnet-lite"
SIZE: Final = (480, 360)
FRAMES, FEW = 90, 15
FILES: Final = 200
BEGIN, END = "<!-- {}: python -m benchmarks.scale --write -->", "<!-- end of {} -->"


@dataclass(frozen=True)
class Measured:
    """Bytes a frame at 480x360 unless it says otherwise."""

    recorded: float
    recorded_camera: float
    recorded_ros2: float
    labels_png: float
    labels_mcap: float
    row: float
    core_s: float
    """Processor time of a worker for a frame, one thread."""
    start_core_s: float
    """The same for its start, the model included."""
    worker_mb: float
    plan_ms: float
    """For one recording, in the driver."""
    decode_ms: float
    """Of a JPEG."""
    task: float
    """Bytes of a task, as Ray gets it."""


def measure(folder: Path) -> Measured:
    """All of it, on rendered drives."""
    street = drive(FRAMES, SIZE)
    fleet = folder / "fleet"
    fleet.mkdir()
    images = [result.frame.image for result in street]
    for name, count in (("few", FEW), ("all", FRAMES)):
        drives.write_mcap(fleet / f"{name}.mcap", {"/front/image": drives.compressed(images[:count])})
    before_s, _ = _labelled(fleet / "few.mcap", folder / "few", "png")
    all_s, worker_mb = _labelled(fleet / "all.mcap", folder / "png", "png")
    _labelled(fleet / "all.mcap", folder / "mcap", "mcap")
    core_s = (all_s - before_s) / (FRAMES - FEW)
    plan_ms, task = _planned(folder / "many", images)
    return Measured(
        recorded=_recorded(folder / "a", street),
        recorded_camera=_recorded(folder / "b", street, images=["camera"]),
        recorded_ros2=_recorded(folder / "c", street, schema="ros2"),
        labels_png=_bytes(folder / "png" / "labels") / FRAMES,
        labels_mcap=_bytes(folder / "mcap" / "labels") / FRAMES,
        row=_bytes(folder / "png" / "frames") / FRAMES,
        core_s=core_s,
        start_core_s=max(0.0, before_s - FEW * core_s),
        worker_mb=worker_mb,
        plan_ms=plan_ms,
        decode_ms=_decoding_ms(images),
        task=task,
    )


def _recorded(folder: Path, street: list[Any], **settings: Any) -> float:
    with recording(folder, StreetService(), **settings) as sink:
        for seq, result in enumerate(street):
            sink.publish(renumbered(result, seq))
        wait_until(lambda: sink.status()["queue"] == 0)
    return sum(path.stat().st_size for path in files_in(folder)) / len(street)


def _labelled(file: Path, out: Path, form: Format) -> tuple[float, float]:
    """(processor time of one worker from its start to its end, its memory in MB)."""
    sha256 = open_model(MODEL, None, "onnx", BackendOptions(threads=1)).sha256
    spec = Spec(MODEL, sha256, "onnx", None, str(out), form, None)
    driver, sizes = psutil.Process(), [0.0]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    tasks = (task for item in plan.make_plan([str(file)], None).items for task in item.tasks())
    for _ in local.run(tasks, spec, 1, lambda _: sizes.append(sum(c.memory_info().rss for c in driver.children()))):
        pass
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, max(sizes) / 1e6


def _planned(folder: Path, images: list[Any]) -> tuple[float, float]:
    """(milliseconds of planning a recording, bytes of its task)."""
    folder.mkdir()
    for number in range(FILES):
        topics = {"/front/image": drives.compressed([images[number % len(images)]] * 2)}
        drives.write_mcap(folder / f"{number}.mcap", topics, times=range(number, number + 2))
    began = time.process_time()
    found = plan.make_plan([str(folder)], None)
    plan_ms = 1e3 * (time.process_time() - began) / FILES
    return plan_ms, len(pickle.dumps(next(found.items[0].tasks())))


def _decoding_ms(images: list[Any]) -> float:
    files = [drives.jpeg(image) for image in images]
    began = time.process_time()
    for file in files:
        decode_image(file, "a picture")
    return 1e3 * (time.process_time() - began) / len(files)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


ROBOTS, HOURS, RATE = 1000, 1, 30
DAY: Final = ROBOTS * HOURS * 3600
"""Seconds of camera a day."""
PART: Final = plan.PART
FILE_MB, KEEP_MB, FILE_S = (RecordingConfig.model_fields[n].default for n in ("max_mb", "keep_mb", "max_s"))
INCIDENTS, INCIDENT_S = 10, 70
PICKED: Final = 200


def measured_table(found: Measured) -> str:
    """What was measured."""
    return _table(
        "| of `segnet-lite` at 480x360 | measured |",
        [
            ("recorded, a frame: picture (JPEG 80), mask, result, and what comes beside", _size(found.recorded)),
            ("the same with `images: [camera]`", _size(found.recorded_camera)),
            ("the same as a ROS 2 bag", _size(found.recorded_ros2)),
            ("labels of a frame, `--format png`", _size(found.labels_png)),
            ("labels of a frame, `--format mcap`", _size(found.labels_mcap)),
            ("a frame's row of statistics in Parquet", _size(found.row)),
            ("a frame on a CPU worker (one thread, ONNX Runtime), all of it", f"{found.core_s:.3f} core-seconds"),
            ("a worker's start", f"{found.start_core_s:.1f} core-seconds"),
            ("a worker's memory", f"{found.worker_mb:.0f} MB"),
            ("to plan a short recording, in the driver (a long one has a MiB to hash)", f"{found.plan_ms:.1f} ms"),
            ("to decode a JPEG", f"{found.decode_ms:.1f} ms"),
            ("a task, as it goes to a worker", _size(found.task)),
        ],
    )


def derived_table(found: Measured) -> str:
    """What follows for the fleet; every line names its own arithmetic."""
    return _table("| 1,000 robots, an hour a day each, 30 frames/s | a day | from |", _derived(found))


def _derived(m: Measured) -> Iterator[tuple[str, str, str]]:
    frames, thin = DAY * RATE, DAY
    file_s = min(FILE_S, FILE_MB * 1e6 / RATE / m.recorded)
    files = round(DAY / file_s)
    yield "frames", f"{frames / 1e6:.0f} million", f"{ROBOTS:,} x {HOURS * 3600:,} s x {RATE}"
    yield "recorded, everything", _size(frames * m.recorded), f"x {_size(m.recorded)}"
    yield "recorded, `images: [camera]`", _size(frames * m.recorded_camera), f"x {_size(m.recorded_camera)}"
    yield "recorded, camera alone, `rate: 5`", _size(DAY * 5 * m.recorded_camera), f"5 of {RATE} frames"
    each = INCIDENT_S * RATE * m.recorded
    text = f"{INCIDENTS} a robot of {INCIDENT_S} s each: assumed"
    yield "recorded, flight recorder", _size(ROBOTS * INCIDENTS * each), text
    yield "one robot's uplink for everything, in 8 hours", _rate(frames * m.recorded / ROBOTS, 8), "bytes over 8 h"
    yield (
        "a robot's recordings hold (`keep_mb`)",
        f"{KEEP_MB * 1e6 / (RATE * m.recorded) / 3600:.1f} h",
        "of everything",
    )
    yield "recordings", f"{files:,}", f"of {file_s:.0f} s each (`max_mb: {FILE_MB}`, `max_s: {FILE_S:.0f}`)"
    yield "label every frame", _hours(frames * m.core_s), f"x {m.core_s:.3f} core-seconds"
    yield "label one frame a second (`--every 1`)", _hours(thin * m.core_s), f"{thin / 1e6:.1f} million frames"
    cores = thin * m.core_s / (8 * 3600 * 0.85)
    yield "cores for that in 8 hours", f"{cores:.0f}", "at 0.85 of bare loops, what Ray must reach"
    yield "their memory", _size(cores * m.worker_mb * 1e6), f"x {m.worker_mb:.0f} MB"
    yield (
        "read from the store by them, if all was recorded",
        _rate(frames * m.recorded, 8),
        "a topic's file is read whole",
    )
    yield "planning, one core", f"{files * m.plan_ms / 1e3:.0f} s", f"x {m.plan_ms:.1f} ms"
    yield "tasks through the driver", _size(files * m.task), f"one of {PART} frames or less a recording; no pixels"
    yield "labels out, `--format mcap`", _size(thin * m.labels_mcap), f"{files:,} files"
    yield "labels out, `--format png`", _size(thin * m.labels_png), f"{thin / 1e6:.1f} million files: too many"
    yield "rows out", _size(thin * m.row), f"x {_size(m.row)}; columns of long parts take less"


def kept_table(m: Measured) -> str:
    """What is kept, and for how long."""
    year = 365
    return _table(
        "| kept | for | holds then |",
        [
            ("rows of statistics", "ever", f"{_size(year * DAY * m.row)} a year"),
            ("labels of one frame a second (mcap)", "90 days", _size(90 * DAY * m.labels_mcap)),
            ("everything that was recorded", "14 days", _size(14 * DAY * RATE * m.recorded)),
            ("or incidents only", "30 days", _size(30 * ROBOTS * INCIDENTS * INCIDENT_S * RATE * m.recorded)),
            (f"{PICKED} picked frames a day", "ever", _size(year * PICKED * (m.recorded_camera + m.labels_png))),
        ],
    )


def _table(head: str, rows: Any) -> str:
    lines = [head, "|---" * (head.count("|") - 1) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} PB"


def _rate(count: float, hours: float) -> str:
    bits = 8 * count / hours / 3600
    return f"{bits / 1e9:.1f} Gbit/s" if bits > 1e9 else f"{bits / 1e6:.1f} Mbit/s"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.0f} core-hours"


def read_back(text: str) -> Measured:
    """What a page was written from."""
    line = next(line for line in text.splitlines() if line.startswith("<!-- figures: "))
    return Measured(**json.loads(line.removeprefix("<!-- figures: ").removesuffix(" -->")))


def written(text: str, found: Measured) -> str:
    """The page with its tables."""
    told = {key: round(value, 4) for key, value in asdict(found).items()}
    tables = {"measured": measured_table, "derived": derived_table, "kept": kept_table}
    for name, table in tables.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = text.partition(begin)
        figures = f"<!-- figures: {json.dumps(told)} -->\n\n" if name == "measured" else ""
        text = f"{before}{begin}\n{figures or chr(10)}{table(Measured(**told))}\n\n{end}{rest.partition(end)[2]}"
    return text


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/scale.md")
    write = parser.parse_args().write
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    if write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    print("\n\n".join([measured_table(found), derived_table(found), kept_table(found)]))  # noqa: T201


if __name__ == "__main__":
    main()
