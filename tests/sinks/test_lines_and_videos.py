"""JSON lines and video files: whole, in order, in real time, within their space; a full disk costs what it costs."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_segnet.core.documents import result_document
from edge_segnet.core.errors import SettingsError
from edge_segnet.core.types import Result
from edge_segnet.pictures.shape import fit_image
from edge_segnet.settings.messages import JsonLinesConfig, VideoConfig
from edge_segnet.sinks.jsonl import JsonLinesSink, LinesFile
from edge_segnet.sinks.retention import Retention
from edge_segnet.sinks.rolling import RollingWriter
from edge_segnet.sinks.video import VideoSink
from tests.conftest import read_video
from tests.support.results import result_of
from tests.support.service import StreetService, drive, renumbered


def lines_in(folder: Path) -> list[dict[str, Any]]:
    """All lines of all files."""
    files = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def at(result: Result, seq: int, second: float) -> Result:
    """A result, captured at that second of the monotonic clock."""
    made = renumbered(result, seq)
    return replace(made, frame=replace(made.frame, captured_ns=int(second * 1e9)))


@pytest.fixture(scope="module")
def street() -> list[Result]:
    return drive(4)


@pytest.fixture
def service() -> StreetService:
    return StreetService("front", "rear")


def test_lines_are_the_results(tmp_path: Path, service: StreetService) -> None:
    sink = JsonLinesSink(JsonLinesConfig(path=tmp_path / "new" / "folder", free_mb=0), service)
    for seq in range(20):
        sink.publish(result_of(seq, "front" if seq % 2 else "rear"))
        assert len(lines_in(tmp_path / "new" / "folder")) == seq + 1  # at once, for whoever follows
    told = sink.status()
    assert told["state"] == "writing" and told["written"] == 20 and told["files"] == 1 and told["dropped"] == 0
    sink.close()
    lines = lines_in(tmp_path / "new" / "folder")
    assert [line["seq"] for line in lines] == list(range(20))
    wanted = result_document(result_of(3)).to_dict()
    assert lines[3].keys() == wanted.keys() and lines[3]["classes"] == wanted["classes"]
    assert "secret" not in json.dumps(lines)


def test_the_rate_is_each_cameras_own(tmp_path: Path, service: StreetService) -> None:
    sink = JsonLinesSink(JsonLinesConfig(path=tmp_path, rate=0.5, free_mb=0), service)
    for seq in range(10):
        sink.publish(result_of(seq, "front" if seq % 2 else "rear"))
    sink.close()
    assert [line["camera"] for line in lines_in(tmp_path)] == ["rear", "front"]


def test_files_follow_each_other_and_the_oldest_go(tmp_path: Path, service: StreetService) -> None:
    (tmp_path / "mine.jsonl").write_text("")
    config = JsonLinesConfig(path=tmp_path, max_mb=1, keep_mb=2, free_mb=0)
    sink = JsonLinesSink(config, service)
    for seq in range(3600):
        sink.publish(result_of(seq))
    told = sink.status()
    sink.close()
    assert told["files"] >= 3 and told["removed"] == told["files"] - 2
    files = sorted(tmp_path.glob("edge-segnet-*.jsonl"))
    assert len(files) == 2 and sum(file.stat().st_size for file in files) <= 2.1e6
    seqs = [line["seq"] for line in lines_in(tmp_path)]
    assert seqs == list(range(seqs[0], 3600))
    assert (tmp_path / "mine.jsonl").exists()


def test_a_file_ends_after_its_time(tmp_path: Path, service: StreetService) -> None:
    sink = JsonLinesSink(JsonLinesConfig(path=tmp_path, max_s=1.0, free_mb=0), service)
    began = time.monotonic()
    seq = 0
    while sink.status()["files"] < 2:
        sink.publish(result_of(seq))
        seq += 1
        time.sleep(0.01)
    assert time.monotonic() - began >= 1.0
    sink.close()
    assert len(lines_in(tmp_path)) == seq


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 16 MB."""
    place = tmp_path_factory.mktemp("disk")
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=16m tmpfs '{place}' 2>/dev/null") != 0:
        pytest.skip("mounting a small tmpfs needs root")
    yield place
    os.system(f"umount '{place}'")


def fill(disk: Path, ballast: Path, left: int) -> None:
    """Leave so many bytes free."""
    space = os.statvfs(disk)
    with ballast.open("ab") as file:
        file.write(bytes(space.f_bavail * space.f_frsize - left))


def test_a_full_disk_costs_one_alarm(
    small_disk: Path, service: StreetService, street: list[Result], caplog: pytest.LogCaptureFixture
) -> None:
    folder = small_disk / "a"
    lines = JsonLinesSink(JsonLinesConfig(path=folder, free_mb=0), service)
    video = VideoSink(VideoConfig(path=folder, free_mb=0, rate=10.0), service)
    seq = 0

    def publish(count: int) -> None:
        nonlocal seq
        for _ in range(count):
            seq += 1
            made = at(street[seq % 4], seq, 100.0 + seq / 10)
            lines.publish(made)
            video.publish(made)

    with caplog.at_level(logging.INFO):
        publish(20)
        ballast = small_disk / "ballast"
        fill(small_disk, ballast, 1_000_000)
        publish(5)
        assert lines.status()["state"] == "writing"
        assert video.status()["state"] == "stopped"  # it stops while there is room for what FFmpeg holds back
        fill(small_disk, ballast, 0)
        publish(45)
        for sink in (lines, video):
            told = sink.status()
            assert told["state"] == "stopped" and "are free" in told["error"] and told["dropped"] > 0
        ballast.unlink()
        publish(30)
        assert lines.status()["error"] is None and video.status()["error"] is None
        lines.close()
        video.close()
    alarms = [record.getMessage().partition(":")[0] for record in caplog.records if record.levelno == logging.ERROR]
    assert sorted(alarms) == ["jsonl", "video"]
    seqs = [line["seq"] for line in lines_in(folder)]
    assert seqs == [*range(1, 26), *range(71, 101)]
    files = sorted(folder.glob("*.mkv"))
    assert len(files) == 2 and all(len(read_video(file)[0]) > 5 for file in files)


def test_half_a_line_is_taken_back(small_disk: Path) -> None:
    """The disk ends in the middle of a line."""
    file = LinesFile(small_disk / "half.jsonl")
    file.write(b"whole\n")
    with pytest.raises(OSError, match="No space"):
        file.write(bytes(32_000_000))
    assert (small_disk / "half.jsonl").read_bytes() == b"whole\n"
    file.write(b"again\n")
    file.close()
    assert (small_disk / "half.jsonl").read_bytes() == b"whole\nagain\n"


def test_a_disk_that_fails_otherwise(tmp_path: Path, service: StreetService) -> None:
    folder = tmp_path / "gone"
    sink = JsonLinesSink(JsonLinesConfig(path=folder, max_s=1.0, free_mb=0), service)
    folder.rmdir()
    sink.publish(result_of(0))
    assert sink.status()["state"] == "stopped" and "No such file" in sink.status()["error"]
    folder.mkdir()
    sink.publish(result_of(1))
    assert sink.status()["state"] == "writing" and [line["seq"] for line in lines_in(folder)] == [1]
    sink.close()


@pytest.mark.parametrize(("kind", "section"), [(JsonLinesSink, JsonLinesConfig), (VideoSink, VideoConfig)])
def test_a_folder_that_cannot_be_written(tmp_path: Path, service: StreetService, kind: Any, section: Any) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"(jsonl|video)\.path: .*file/x can't be written \(Not a directory\)"):
        kind(section(path=tmp_path / "file" / "x"), service)


def test_a_video_plays_in_real_time(tmp_path: Path, service: StreetService, street: list[Result]) -> None:
    """30 frames/s for a second, then 4 for two seconds: 10 pictures for every second all the same."""
    sink = VideoSink(VideoConfig(path=tmp_path, rate=10.0, kind="camera", free_mb=0), service)
    times = [index / 30 for index in range(30)] + [1 + index / 4 for index in range(9)]
    for seq, second in enumerate(times):
        sink.publish(at(street[seq % 4], seq, 50.0 + second))
    assert sink.status()["state"] == "writing" and sink.status()["cameras"].keys() == {"front"}
    sink.close()
    (file,) = tmp_path.glob("edge-segnet-*-front.mkv")
    pictures, rate = read_video(file)
    assert rate == pytest.approx(10.0) and len(pictures) == 31
    shown = fit_image(street[0].frame.image, pictures[0].shape[1::-1])
    assert np.abs(pictures[0].astype(int) - shown.astype(int)).mean() < 6


def test_a_gap_or_another_size_begins_a_new_video(tmp_path: Path, service: StreetService, street: list[Result]) -> None:
    sink = VideoSink(VideoConfig(path=tmp_path, rate=10.0, free_mb=0), service)
    for seq in range(10):
        sink.publish(at(street[0], seq, 10 + seq / 10))
    for seq in range(10):
        sink.publish(at(street[0], seq, 20 + seq / 10))
    odd = drive(1, (159, 121))[0]
    for seq in range(10):
        sink.publish(at(odd, seq, 21 + seq / 10))
    sink.close()
    found = [read_video(file)[0] for file in sorted(tmp_path.glob("*.mkv"))]
    assert [len(pictures) for pictures in found] == [10, 10, 10]
    assert found[2][0].shape == (122, 160, 3)


KILLED = """
import sys, time
from pathlib import Path
from edge_segnet.settings.messages import VideoConfig
from edge_segnet.sinks.video import VideoSink
from tests.support.service import StreetService, drive
from tests.sinks.test_lines_and_videos import at
sink = VideoSink(VideoConfig(path=Path(sys.argv[1]), rate=30.0, free_mb=0), StreetService())
results = drive(4)
for seq in range(450):
    sink.publish(at(results[seq % 4], seq, 10 + seq / 30))
print("written", flush=True)
time.sleep(60)
"""


def test_a_file_that_another_camera_writes_is_never_removed(tmp_path: Path) -> None:
    config = VideoConfig(path=tmp_path, max_mb=1, keep_mb=2, free_mb=0)
    shelf = Retention(tmp_path, config, ".bin")

    class Bytes:
        def __init__(self, path: Path) -> None:
            self.path, self.size = path, 0
            path.touch()

        def write(self, item: bytes) -> None:
            self.path.write_bytes(self.path.read_bytes() + item)
            self.size += len(item)

        def close(self) -> None: ...

    cameras = [RollingWriter[bytes](name, config, shelf, Bytes, 0) for name in "abc"]
    for _ in range(60):
        for writer in cameras:
            writer.write(bytes(200_000), "x")
            assert writer.file is None or Path(str(writer.status()["file"])).exists()
    assert shelf.removed > 0 and len(shelf.files()) < sum(writer.files for writer in cameras)
    for writer in cameras:
        writer.finish()
    assert not shelf.held


def test_a_killed_video_plays_up_to_its_last_seconds(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (file,) = tmp_path.glob("*.mkv")
    assert len(read_video(file)[0]) >= 450 - 10 * 30
