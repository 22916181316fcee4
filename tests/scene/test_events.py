"""The event log: order, cursors, restarts, crashes, disks that fail."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_segnet.scene.event_store import LOG
from edge_segnet.scene.events import PICTURES_WAITING, WAITING, Event, EventLog, from_document
from tests.conftest import left_in
from tests.support.waiting import wait_until


def event_of(number: int) -> Event:
    """The ``number``-th event."""
    kind = "start" if number % 2 == 0 else "clear"
    return Event("lost", "ahead", "front", "Road", kind, "2026-11-22T20:14:03.120Z", 0.25, 0.4, number)  # type: ignore[arg-type]


@contextmanager
def opened(folder: Path | None, keep: int = 1000) -> Iterator[EventLog]:
    log = EventLog(folder, keep)
    try:
        yield log
    finally:
        log.close()


def fill(log: EventLog, *numbers: int, snapshot: Callable[[], bytes] | None = None) -> None:
    """Append, and wait until the last one can be read."""
    for number in numbers:
        log.append(event_of(number), snapshot)
        wait_until(lambda number=number: [event.frame_seq for event in log.newest(1)] == [number])  # type: ignore[misc]


def frames(log: EventLog) -> list[int]:
    return [event.frame_seq for event in log.since("")]


def test_events_come_in_order_with_ids_that_sort(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        fill(log, *range(20))
        events = log.since("")
        assert [event.frame_seq for event in events] == list(range(20))
        assert [event.seq for event in events] == list(range(1, 21))
        ids = [event.id for event in events]
        assert ids == sorted(set(ids)) and ids[-1] == log.last_id
        assert log.newest(3) == events[:-4:-1]
        assert log.since(ids[4]) == events[5:] and log.since(ids[-1]) == []
        assert from_document(json.loads(json.dumps(events[0].document().to_dict()))) == events[0]


def test_a_restart_goes_on_where_the_log_ended(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        fill(log, 0, 1)
        before = log.since("")
    with opened(tmp_path) as log:
        assert log.since("") == before
        fill(log, 2)
        after = log.since("")
        assert after[:2] == before and after[2].seq == 3 and after[2].id > before[1].id


def test_a_clock_that_was_set_back_does_not_mix_the_order(tmp_path: Path) -> None:
    future = "ffff0000-0000-7000-8000-000000000000"
    (tmp_path / LOG).write_text(json.dumps({**event_of(0).document().to_dict(), "id": future, "seq": 7}) + "\n")
    with opened(tmp_path) as log:
        fill(log, 1)
        assert [event.seq for event in log.since(future)] == [8] and log.last_id > future


def test_a_cursor_of_a_lost_log_gives_everything(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        fill(log, 0)
        assert frames(log) == [event.frame_seq for event in log.since("ffffffff-0000-7000-8000-000000000000")]


def test_only_the_newest_are_kept_on_disk_too(tmp_path: Path) -> None:
    with opened(tmp_path, keep=3) as log:
        fill(log, *range(10), snapshot=lambda: b"jpeg")
        kept = log.since("")
        assert [event.frame_seq for event in kept] == [7, 8, 9]
        names = {str(event.snapshot) for event in kept}
        wait_until(lambda: set(left_in(tmp_path)) == {".lock", LOG, *names})
        assert len((tmp_path / LOG).read_bytes().splitlines()) <= 6
        assert log.snapshot(str(kept[0].snapshot)) == b"jpeg"
        assert log.snapshot("../../etc/passwd") is None
    with opened(tmp_path, keep=3) as log:
        assert log.since("") == kept


@pytest.mark.parametrize("torn", [b'{"id": "01', b"\xff\xfe\n", b"[]\n{}\n"])
def test_a_damaged_line_costs_only_itself(tmp_path: Path, torn: bytes) -> None:
    with opened(tmp_path) as log:
        fill(log, 0, 1)
    with (tmp_path / LOG).open("ab") as file:
        file.write(torn)
    for number in (2, 3):
        with opened(tmp_path) as log:
            fill(log, number)
            assert frames(log) == list(range(number + 1))


def test_orphaned_pictures_of_a_crash_are_removed(tmp_path: Path) -> None:
    (tmp_path / "01.jpg").write_bytes(b"x")
    (tmp_path / ".01.abc.part.jpg").write_bytes(b"x")
    with opened(tmp_path):
        assert left_in(tmp_path) == [".lock"]


def test_waiting_ends_with_an_event_with_time_and_with_the_log(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        assert log.wait("", 0.01) == []
        threading.Timer(0.05, log.append, [event_of(0)]).start()
        assert [event.frame_seq for event in log.wait("", 20)] == [0]
        threading.Timer(0.05, log.close).start()
        began = time.monotonic()
        assert log.wait(log.last_id, 20) == []
        assert time.monotonic() - began < 10


def test_a_snapshot_that_fails_loses_no_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> bytes:
        raise ValueError("no picture")

    with opened(tmp_path) as log:
        fill(log, 0, snapshot=broken)
        assert log.newest(1)[0].snapshot is None and "no picture" in caplog.text


def test_append_never_waits_and_counts_what_it_loses(tmp_path: Path) -> None:
    gate = threading.Event()

    def stuck() -> bytes:
        gate.wait(20)
        return b"jpeg"

    with opened(tmp_path) as log:
        log.append(event_of(0), stuck)
        wait_until(lambda: log.status().waiting == 0)
        for number in range(1, WAITING + 11):
            log.append(event_of(number), lambda: b"jpeg")
        assert log.lost == 10 and log.since("") == []
        gate.set()
        wait_until(lambda: log.status().waiting == 0 and len(log.since("")) == WAITING + 1)
        assert frames(log) == [0, 1, *range(12, WAITING + 11)], "a start goes with its clear"
        assert sum(event.snapshot is not None for event in log.since("")) <= PICTURES_WAITING + 1


def test_a_folder_that_cannot_be_written_means_memory_and_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("x")
    with opened(tmp_path / "file" / "events") as log:
        fill(log, 0, 1, snapshot=lambda: b"jpeg")
        assert frames(log) == [0, 1] and "Not a directory" in str(log.status().error)
        assert log.snapshot(str(log.newest(1)[0].snapshot)) == b"jpeg"
    assert caplog.text.count("kept in memory only") == 1


def test_a_second_process_does_not_write_into_the_same_log(tmp_path: Path) -> None:
    with opened(tmp_path) as log, opened(tmp_path) as second:
        fill(log, 0)
        fill(second, 1)
        assert frames(log) == [0] and "another process writes there" in str(second.status().error)
    with opened(tmp_path) as log:
        assert frames(log) == [0]


def test_a_disk_that_comes_back_gets_what_it_missed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with opened(tmp_path) as log:
        (tmp_path / LOG).mkdir()  # the file can't be written
        fill(log, 0, 1)
        assert "a folder" in str(log.status().error) or "irectory" in str(log.status().error)
        (tmp_path / LOG).rmdir()
        fill(log, 2)
        assert log.status().error is None
    assert caplog.text.count("events can't be written") == 1 and "written again" in caplog.text
    with opened(tmp_path) as log:
        assert frames(log) == [0, 1, 2]


WRITER = """
import sys
from pathlib import Path
from tests.scene.test_events import event_of
from edge_segnet.scene.events import EventLog
log = EventLog(Path(sys.argv[1]))
for number in range(100000):
    log.append(event_of(number), lambda: b"jpeg")
    while not (log.newest(1) and log.newest(1)[0].frame_seq == number):
        pass
    print(log.last_id, flush=True)
"""


def test_what_could_be_read_survives_a_kill(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline().strip() for _ in range(30)]
        process.send_signal(signal.SIGKILL)
        seen += process.stdout.read().split()
    with opened(tmp_path) as log:
        ids = [event.id for event in log.since("")]
        whole = [text for text in seen if len(text) == 36]
        assert len(whole) >= 30 and ids[: len(whole)] == whole
        assert all(log.snapshot(str(event.snapshot)) == b"jpeg" for event in log.since(""))


@pytest.mark.parametrize(
    "change",
    [
        {"id": "ffffffff-ffff-ffff-ffff-ffffffffffff"},
        {"id": 5},
        {"seq": 2**63},
        {"seq": -1},
        {"seq": True},
        {"kind": "stop"},
        {"value": "much"},
        {"value": float("nan")},
        {"snapshot": "../../../etc/passwd"},
        {"snapshot": ["a"]},
        {"rule": None},
        {"frame_seq": 1.5},
    ],
)
def test_one_wrong_value_costs_that_event_and_nothing_else(tmp_path: Path, change: dict[str, Any]) -> None:
    with opened(tmp_path) as log:
        fill(log, 1, 2)
        good = log.newest()[0]
    lines = (tmp_path / LOG).read_text().splitlines()
    damaged = json.dumps({**json.loads(lines[0]), **change})
    (tmp_path / LOG).write_text("\n".join([damaged, "[" * 100_000, '{"id":' + "9" * 6000 + "}", lines[1], ""]))
    with opened(tmp_path) as log:
        assert log.newest() == [good]
        fill(log, 3)
        assert [event.seq for event in log.newest()] == [3, 2]


def test_a_state_folder_that_vanishes_loses_no_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "state" / "events"
    with opened(folder) as log:
        fill(log, 1, 2)
        shutil.rmtree(folder.parent)
        fill(log, 3)
        assert log.status().error is None
        (folder / LOG).unlink()
        fill(log, 4, 5)
    with opened(folder) as log:
        assert frames(log) == [1, 2, 3, 4, 5]
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(said) == 2 and all("was removed while it was in use" in line for line in said)
