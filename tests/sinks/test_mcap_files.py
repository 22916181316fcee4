"""Files that break off, and disks that are full."""

from __future__ import annotations

import logging
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcap.stream_reader import StreamReader

from edge_segnet.sinks.messages import Messages
from edge_segnet.sinks.recording.mcap_file import McapFile, is_whole, repair
from tests.conftest import left_in
from tests.support.recordings import files_in, messages_in, play, raw_in, recording
from tests.support.results import result_of
from tests.support.service import StreetService, drive, renumbered
from tests.support.waiting import wait_until


def sample(path: Path) -> tuple[bytes, list[tuple[int, int]]]:
    """A file of several chunks, its bytes, and (end of a chunk, messages up to there)."""
    messages = Messages(StreetService(), 80)
    small = drive(2, (64, 48))
    file, marks = McapFile(path, {"model": "tiny"}), []
    for seq in range(24):
        for kind in ("camera", "mask", "result"):
            message = messages.of(renumbered(small[seq % 2], seq), kind)
            assert message is not None
            file.write(message)
        if seq % 3 == 2:
            file.flush()
            marks.append((file.size, 3 * (seq + 1)))
    file.finish()
    return path.read_bytes(), marks


def test_a_file_cut_anywhere_keeps_every_whole_chunk(tmp_path: Path) -> None:
    data, marks = sample(tmp_path / "whole.mcap")
    whole = raw_in(tmp_path / "whole.mcap")
    assert len(whole) == 72 and is_whole(tmp_path / "whole.mcap")
    places = [*random.Random(1).sample(range(len(data)), 120), 0, 8, len(data) - 1]
    cut = tmp_path / "cut.mcap"
    for place in places:
        cut.write_bytes(data[:place])
        expected = max((count for end, count in marks if end <= place), default=0)
        assert not is_whole(cut)
        count = repair(cut)
        assert count >= expected, (place, count)  # a chunk may be whole before its index is
        if count:
            assert is_whole(cut) and raw_in(cut) == whole[:count]
        else:
            assert cut.read_bytes() == data[:place]
    assert left_in(tmp_path) == ["cut.mcap", "whole.mcap"]


def test_a_damaged_file_keeps_what_is_before_the_damage(tmp_path: Path) -> None:
    data, marks = sample(tmp_path / "whole.mcap")
    bad = tmp_path / "bad.mcap"
    for place in random.Random(2).sample(range(marks[0][0], marks[-1][0]), 40):
        bad.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 : -4])
        assert repair(bad) >= max(count for end, count in marks if end <= place), place
        assert is_whole(bad)


WRITER = """
import sys, time
from pathlib import Path
from tests.support.service import StreetService
from tests.support.recordings import play, recording
with recording(Path(sys.argv[1]), StreetService()) as sink:
    print("ready", flush=True)
    play(sink, 100_000, pause_s=0.005)
"""


def test_a_killed_recording_is_readable_and_completed_at_the_next_start(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
    time.sleep(1.7)  # any moment will do
    wait_until(lambda: [path for path in files_in(tmp_path) if path.stat().st_size > 100_000])
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    (path,) = files_in(tmp_path)
    assert not is_whole(path)
    with path.open("rb") as file:
        streamed = 0
        with pytest.raises(Exception, match=r".*"):
            for record in StreamReader(file).records:
                streamed += type(record).__name__ == "Message"
    assert streamed > 50
    with recording(tmp_path, StreetService(), mode="ring"):
        wait_until(lambda: is_whole(path))
    results = [each["seq"] for topic, _, each in messages_in(path) if topic == "/front/result"]
    assert len(messages_in(path)) == streamed and results == list(range(len(results)))


def test_somebody_elses_open_file_is_left_alone(tmp_path: Path) -> None:
    file = McapFile(tmp_path / "edge-segnet-x.mcap", {})
    assert is_whole(tmp_path / "edge-segnet-x.mcap")
    file.abandon()
    assert left_in(tmp_path) == []


def test_what_was_killed_before_it_held_anything_is_removed(tmp_path: Path) -> None:
    made = McapFile(tmp_path / "edge-segnet-1.mcap", {"a": "b"})
    made._raw.close()
    (tmp_path / "edge-segnet-2.mcap").write_bytes(b"")
    (tmp_path / "edge-segnet-3.mcap").write_bytes(random.Random(0).randbytes(1000))
    large = tmp_path / "edge-segnet-4.mcap"
    large.write_bytes(random.Random(0).randbytes(3 << 20))
    with recording(tmp_path, StreetService(), mode="ring"):
        wait_until(lambda: [path.name for path in files_in(tmp_path)] == ["edge-segnet-4.mcap"])


def test_a_folder_that_vanishes_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "recordings"
    with recording(folder, StreetService(), mode="continuous") as sink:
        sink.publish(result_of(1))
        wait_until(lambda: sink.status()["written"] > 0)
        shutil.rmtree(folder)
        sink.publish(result_of(2))
        wait_until(lambda: folder.exists() and files_in(folder))
        wait_until(lambda: sink.status()["dropped"] > 0 and sink.status()["written"] > 0)
    (path,) = files_in(folder)
    assert [each["seq"] for topic, _, each in messages_in(path) if topic == "/front/result"] == [2]
    assert sink.status()["error"] is None
    assert any("was removed while it was being written" in record.getMessage() for record in caplog.records)


class Disk:
    """A limit on the size of this process's files, which is how a test can have a full disk."""

    def __init__(self) -> None:
        self._soft, self._hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        self._ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def allow(self, size: int | None) -> None:
        """Files of so many bytes; None: any."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._soft if size is None else size, self._hard))

    def close(self) -> None:
        """As before."""
        self.allow(None)
        signal.signal(signal.SIGXFSZ, self._ignored)


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.close()


def test_a_full_disk_stops_recording_with_one_alarm_and_it_goes_on(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with recording(tmp_path, StreetService()) as sink:
        play(sink, 10)
        wait_until(lambda: sink.status()["written"] >= 30)
        disk.allow(100_000)
        seq = 10
        while sink.status()["state"] != "failed":
            play(sink, 10, since=seq, pause_s=0.01)
            seq += 10
        assert "File too large" in str(sink.status()["error"])
        broken = files_in(tmp_path)
        disk.allow(None)
        wait_until(lambda: sink.status()["state"] == "recording")
        wait_until(lambda: all(is_whole(path) for path in broken))
        seen = sink.status()["written"]
        play(sink, 5)
        wait_until(lambda: sink.status()["written"] >= seen + 15)
    alarms = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert [alarm.split(":")[0] for alarm in alarms if "recording" in alarm] == ["recording stops", "recording goes on"]
    for path in files_in(tmp_path):
        messages_in(path)


def test_an_incident_waits_for_room(tmp_path: Path, disk: Disk) -> None:
    with recording(tmp_path, StreetService(), mode="ring", after_s=0.2) as sink:
        play(sink, 40)
        disk.allow(20_000)
        sink.trigger("full")
        wait_until(lambda: sink.status()["state"] == "failed")
        time.sleep(0.3)  # beyond what follows
        disk.allow(None)
        wait_until(lambda: sink.status()["state"] == "waiting")
        seen = {each["seq"] for path in files_in(tmp_path) for t, _, each in messages_in(path) if t == "/front/result"}
        assert seen == set(range(40)) and sink.status()["dropped"] == 0


def test_room_that_is_to_stay_free_stays_free(tmp_path: Path) -> None:
    with recording(tmp_path, StreetService(), free_mb=100_000_000) as sink:
        play(sink, 3)
        wait_until(lambda: sink.status()["state"] == "failed")
        assert "100000000 MB are to stay free" in str(sink.status()["error"])
    assert files_in(tmp_path) == []
