"""What the service itself wrote before it was killed: events, the broker's cursor, recordings, reports."""

from __future__ import annotations

import copy
import json
import random
import shutil
import time
from pathlib import Path
from typing import Any, Final

from mcap.reader import make_reader

from edge_segnet.bench.report import read_report
from edge_segnet.core import threads
from edge_segnet.scene.events import Event, EventLog
from edge_segnet.sinks.messages import Message, Topic
from edge_segnet.sinks.mqtt.cursor import Cursor
from edge_segnet.sinks.recording.mcap_file import McapFile, is_whole, repair
from tests.bench.test_report import report
from tests.fuzz.mutate import VALUES, change_value, mutated

IDS: Final = (
    *("ffffffff-ffff-ffff-ffff-ffffffffffff", "00000000-0000-0000-0000-000000000000", "zzzzzzzz", "start", "clear"),
    *("{ffffffff-ffff-7fff-bfff-ffffffffffff}", "urn:uuid:019aa000-0000-7000-8000-000000000000"),
)
ODD: Final = (*VALUES, *IDS)
SOON_S: Final = 1.5


def _event(number: int) -> Event:
    return Event(
        "lost",
        "ahead",
        "front",
        "Road",
        "start" if number % 2 else "clear",
        "2026-01-01T00:00:00.000Z",
        0.1,
        0.4,
        number,
    )


class Events:
    """A log and a cursor that were damaged; then a start, an event, and another start: the event is there."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._cursor = folder / "events", folder / "mqtt-cursor.json"
        shutil.rmtree(self._folder, ignore_errors=True)
        log = EventLog(self._folder)
        for number in range(6):
            log.append(_event(number), lambda: b"\xff\xd8jpeg\xff\xd9")
        log.close()
        self._lines = (self._folder / "events.jsonl").read_bytes()

    def make(self, rng: random.Random) -> bytes:
        data = mutated(rng, self._lines)
        if rng.random() < 0.5:
            documents = [json.loads(line) for line in self._lines.splitlines()]
            for _ in range(rng.choice((1, 1, 2))):
                change_value(rng, documents, ODD)
            data = b"".join(json.dumps(document).encode() + b"\n" for document in documents)
        if rng.random() < 0.08:
            data += rng.choice((b"[" * 100_000, b'{"id":' + b"9" * 6000 + b"}")) + b"\n"
        cursor = json.dumps({"id": rng.choice(ODD), "seq": rng.choice(ODD)}).encode()
        self._cursor.write_bytes(mutated(rng, cursor) if rng.random() < 0.5 else cursor)
        return data

    def run(self, case: bytes) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        (self._folder / "events.jsonl").write_bytes(case)
        log = EventLog(self._folder)
        log.since(Cursor(self._cursor).load(log).id)
        log.append(_event(1))
        deadline_s = time.monotonic() + SOON_S
        while log.status().waiting and time.monotonic() < deadline_s:
            time.sleep(0.001)
        log.close()
        assert not threads.faults(), threads.faults()
        kept = [event.document().to_dict() for event in log.newest()]
        assert kept and kept[0]["frame_seq"] == 1, "the new event is lost"
        json.dumps(kept, allow_nan=False)
        again = EventLog(self._folder)
        assert [event.document().to_dict() for event in again.newest()] == kept, "not the same after a restart"
        again.close()


class Mcap:
    """A recording that broke off anywhere: every message of its whole chunks stays."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "a.mcap"
        seed = folder / "seed.mcap"
        seed.unlink(missing_ok=True)
        topic = Topic("/front/result", "json", "result", "jsonschema", b"{}")
        file = McapFile(seed, {"a": "b"})
        self._ends = []
        """(bytes in the file, messages that are whole in them)"""
        for number in range(40):
            file.write(Message(topic, number, b"x" * 100))
            if number % 5 == 4:
                file.flush()
                self._ends.append((file.size, number + 1))
        file.finish()
        self._data = seed.read_bytes()

    def make(self, rng: random.Random) -> tuple[bytes, int]:
        if rng.random() < 0.5:
            size = rng.randrange(len(self._data))
            return self._data[:size], max((count for end, count in self._ends if end <= size), default=0)
        return mutated(rng, self._data[: rng.randrange(1, len(self._data) + 1)]), 0

    def run(self, case: tuple[bytes, int]) -> None:
        data, whole = case
        self._path.write_bytes(data)
        if is_whole(self._path):
            return
        count = repair(self._path)
        assert count >= whole, f"{count} of {whole} messages are left"
        if count:
            with self._path.open("rb") as file:
                assert sum(1 for _ in make_reader(file).iter_messages()) == count


class Reports:
    """``bench --compare``."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "report.json"
        self._seed = json.loads(report([10.0, 11.0, 12.5] * 20).model_dump_json())

    def make(self, rng: random.Random) -> Path:
        document: Any = copy.deepcopy(self._seed)
        for _ in range(rng.choice((1, 1, 2))):
            change_value(rng, document)
        data = json.dumps(document).encode()
        if rng.random() < 0.3:
            data = mutated(rng, data)
        self._path.write_bytes(b"[" * 100_000 if rng.random() < 0.02 else data)
        return self._path

    def run(self, case: Path) -> None:
        read_report(case)
