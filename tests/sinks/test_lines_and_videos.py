"""JSON lines and video files: whole, in order, in real time, within their space; a full disk costs what it costs."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_segnet.core.documents import result_document
from edge_segnet.core.errors import SettingsError
from edge_segnet.core.types import Result
from edge_segnet.pictures.shape import fit_image
from edge_segnet.sinks.files.jsonl import JsonLinesSink, LinesFile
from edge_segnet.sinks.files.settings import JsonLinesConfig, VideoConfig
from edge_segnet.sinks.files.video import VideoSink
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
            assert told["state"] == "stopped" and "are free" in str(told["error"]) and told["dropped"] > 0
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


def test_a_folder_that_vanishes_is_made_again_and_what_it_took_along_is_counted(
    tmp_path: Path, service: StreetService, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "state" / "results"
    sink = JsonLinesSink(JsonLinesConfig(path=folder, free_mb=0), service)
    for seq in range(5):
        sink.publish(result_of(seq))
    shutil.rmtree(folder.parent)
    for seq in range(5, 8):
        sink.publish(result_of(seq))
    assert [line["seq"] for line in lines_in(folder)] == [5, 6, 7]
    told = sink.status()
    assert (told["state"], told["error"], told["written"], told["dropped"]) == ("writing", None, 3, 5)
    alarms = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(alarms) == 2 and "was removed while it was being written, with 5 results" in alarms[0]
    next(iter(folder.glob("*.jsonl"))).unlink()  # the file alone
    sink.publish(result_of(8))
    assert [line["seq"] for line in lines_in(folder)] == [8] and sink.status()["dropped"] == 8
    sink.close()


def test_a_folder_that_cannot_be_made_again_is_an_alarm_until_it_can(tmp_path: Path, service: StreetService) -> None:
    folder = tmp_path / "gone"
    sink = JsonLinesSink(JsonLinesConfig(path=folder, max_s=1.0, free_mb=0), service)
    folder.rmdir()
    folder.write_text("a file stands there")
    sink.publish(result_of(0))
    assert sink.status()["state"] == "stopped" and "Not a directory" in str(sink.status()["error"])
    folder.unlink()
    sink.publish(result_of(1))
    assert sink.status()["state"] == "writing" and [line["seq"] for line in lines_in(folder)] == [1]
    sink.close()


def test_what_another_camera_is_writing_is_not_removed(tmp_path: Path, street: list[Result]) -> None:
    """A camera of few frames has the oldest file of all."""
    sink = VideoSink(VideoConfig(path=tmp_path, max_mb=1, keep_mb=2, rate=1000.0, free_mb=0), StreetService())
    sink.publish(at(replace(street[0], frame=replace(street[0].frame, camera="slow")), 0, 10.0))
    (slow,) = tmp_path.glob("*-slow.mkv")
    os.utime(slow, (1, 1))
    for seq in range(800):
        sink.publish(at(street[seq % 4], seq, 10 + seq / 1000))
    assert sink.status()["removed"] >= 1 and slow.exists()
    sink.publish(at(replace(street[0], frame=replace(street[0].frame, camera="slow")), 1, 11.0))
    sink.close()
    assert len(read_video(slow)[0]) == 2


LIMITED = """
import json, resource, sys
from pathlib import Path
from edge_segnet.sinks.files.settings import JsonLinesConfig, VideoConfig
from edge_segnet.sinks.files.jsonl import JsonLinesSink
from edge_segnet.sinks.files.video import VideoSink
from tests.support.service import StreetService, drive
from tests.sinks.test_lines_and_videos import at
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
video = VideoSink(VideoConfig(path=Path(sys.argv[1]), rate=200.0, free_mb=0), StreetService())
lines = JsonLinesSink(JsonLinesConfig(path=Path(sys.argv[1]), free_mb=0), StreetService())
results = drive(4)
for seq in range(400):
    for sink in (video, lines):
        sink.publish(at(results[seq % 4], seq, 10 + seq / 30))
for sink in (video, lines):
    sink.close()
    told = sink.status()
    print(json.dumps([told["written"], told["dropped"], told["error"]]))
"""


def test_at_the_file_size_limit_no_picture_is_counted_that_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, check=True)
    video, lines = map(json.loads, done.stdout.splitlines())
    found = sum(len(read_video(file)[0]) for file in tmp_path.glob("*.mkv"))
    assert found == video[0] and video[0] + video[1] == 400 and video[1] > 0
    assert len(lines_in(tmp_path)) == lines[0] and lines[0] + lines[1] == 400 and lines[1] > 0
    assert "File too large" in done.stderr


@pytest.mark.parametrize(("kind", "section"), [(JsonLinesSink, JsonLinesConfig), (VideoSink, VideoConfig)])
def test_a_folder_that_cannot_be_written(tmp_path: Path, service: StreetService, kind: Any, section: Any) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"(jsonl|video)\.path: .*file/x can't be written \(Not a directory\)"):
        kind(section(path=tmp_path / "file" / "x"), service)


def test_a_video_plays_in_real_time(tmp_path: Path, service: StreetService, street: list[Result]) -> None:
    """30 frames/s for a second, then 4 for two seconds: each picture at its own moment, 10 a second at most."""
    sink = VideoSink(VideoConfig(path=tmp_path, rate=10.0, kind="camera", free_mb=0), service)
    times = [index / 30 for index in range(30)] + [1 + index / 4 for index in range(9)]
    for seq, second in enumerate(times):
        sink.publish(at(street[seq % 4], seq, 50.0 + second))
    assert sink.status()["state"] == "writing" and sink.status()["cameras"].keys() == {"front"}
    sink.close()
    (file,) = tmp_path.glob("edge-segnet-*-front.mkv")
    pictures, rate = read_video(file)
    assert rate == pytest.approx(10.0) and len(pictures) == 10 + 9
    assert moments(file) == pytest.approx([*(index / 10 for index in range(10)), *times[-9:]], abs=0.05)
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
    assert found[2][0].shape == (121, 159, 3)


def moments(file: Path) -> list[float]:
    """When each picture is shown, in seconds."""
    capture, found = cv2.VideoCapture(str(file)), []
    while capture.read()[0]:
        found.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
    capture.release()
    return found


KILLED = """
import sys, threading
from pathlib import Path
from edge_segnet.sinks.files.settings import JsonLinesConfig, VideoConfig
from edge_segnet.sinks.files.jsonl import JsonLinesSink
from edge_segnet.sinks.files.video import VideoSink
from tests.support.service import StreetService, drive
from tests.sinks.test_lines_and_videos import at
video = VideoSink(VideoConfig(path=Path(sys.argv[1]), rate=1000.0, free_mb=0), StreetService())
lines = JsonLinesSink(JsonLinesConfig(path=Path(sys.argv[1]), free_mb=0), StreetService())
results = drive(4)
for seq in range(100_000):
    for sink in (video, lines):
        sink.publish(at(results[seq % 4], seq, 10 + seq / 1000))
        print(sink.status()["written"], flush=True)
"""


@pytest.mark.parametrize("turn", range(6))
def test_what_was_counted_is_there_after_a_kill_and_finished_at_the_next_start(tmp_path: Path, turn: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.05 + 0.11 * turn)
    process.send_signal(signal.SIGKILL)
    told = list(map(int, process.communicate()[0].split()[:-1]))
    # The two take turns, and the film's first count was read above.
    of_lines, of_film = ([0, *told[start::2]][-1] for start in (0, 1))
    (film,), before = tmp_path.glob("*.mkv"), lines_in(tmp_path)
    pictures = len(read_video(film)[0])
    assert pictures >= of_film - 1 and len(before) >= of_lines - 1
    for sink in (
        VideoSink(VideoConfig(path=tmp_path, free_mb=0), StreetService()),
        JsonLinesSink(JsonLinesConfig(path=tmp_path, free_mb=0), StreetService()),
    ):
        sink.start()
        sink.close()
    assert len(read_video(film)[0]) == pictures and lines_in(tmp_path) == before
    capture = cv2.VideoCapture(str(film))
    capture.set(cv2.CAP_PROP_POS_MSEC, 1e3 * pictures / 2000)
    assert capture.read()[0] and capture.get(cv2.CAP_PROP_POS_MSEC) > 0  # it has an index now
    capture.release()


def test_leftovers_are_finished_or_removed_and_strangers_left_alone(tmp_path: Path, street: list[Result]) -> None:
    service = StreetService()
    whole = {"edge-segnet-1.jsonl": b'{"a": 1}\n', "edge-segnet-9.txt": b"x", "notes.jsonl": b"{"}
    broken = {"edge-segnet-2.jsonl": b'{"a": 1}\n{"b":', "edge-segnet-3.jsonl": b"", "edge-segnet-4.mkv": b""}
    for name, data in (whole | broken).items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "edge-segnet-5.mkv").write_bytes(b"\x1aE\xdf\xa3" + bytes(5000))  # somebody else's
    made = VideoSink(VideoConfig(path=tmp_path, free_mb=0), service)
    made.publish(at(street[0], 0, 10.0))
    (open_now,) = tmp_path.glob("*-front.mkv")
    for sink in (
        VideoSink(VideoConfig(path=tmp_path, free_mb=0), service),
        JsonLinesSink(JsonLinesConfig(path=tmp_path, free_mb=0), service),
    ):
        sink.start()
    made.publish(at(street[1], 1, 10.5))
    made.close()
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path != open_now}
    assert left.pop("edge-segnet-5.mkv")
    assert left == whole | {"edge-segnet-2.jsonl": b'{"a": 1}\n'}
    assert len(read_video(open_now)[0]) == 2
