"""Recordings made and read by tests: through mcap's own reader and protobuf's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

from edge_segnet.core.documents import utc
from edge_segnet.scene.events import Event
from edge_segnet.sinks.recording.settings import RecordingConfig
from edge_segnet.sinks.recording.sink import RecordingSink
from tests.support.service import StreetService, drive, renumbered

PLAIN: dict[str, Any] = {"free_mb": 0}
street = cache(lambda: drive(2))


def messages_in(path: Path) -> list[tuple[str, str, Any]]:
    """(topic, schema, decoded) of every message, by the index."""
    found = []
    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        for schema, channel, message in reader.iter_messages(log_time_order=False):
            assert schema is not None
            if channel.message_encoding == "json":
                decoded = json.loads(message.data)
            else:
                decoded = DecoderFactory().decoder_for("protobuf", schema)(message.data)  # type: ignore[misc]
            found.append((channel.topic, schema.name, decoded))
    return found


def raw_in(path: Path) -> list[tuple[str, bytes]]:
    """(topic, data) of every message, by the index."""
    with path.open("rb") as file:
        found = make_reader(file).iter_messages(log_time_order=False)
        return [(channel.topic, message.data) for _, channel, message in found]


def topics_in(path: Path) -> set[str]:
    return {topic for topic, _, _ in messages_in(path)}


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.mcap"))


@contextmanager
def recording(folder: Path, service: StreetService, **settings: Any) -> Iterator[RecordingSink]:
    sink = RecordingSink(RecordingConfig(path=folder, **{**PLAIN, **settings}), service)
    sink.start()
    try:
        yield sink
    finally:
        sink.close()


def play(sink: RecordingSink, frames: int, since: int = 0, pause_s: float = 0.0) -> None:
    """Publish frames of the street as a camera gives them."""
    for seq in range(since, since + frames):
        sink.publish(renumbered(street()[seq % 2], seq))
        time.sleep(pause_s)


def event_now(kind: str = "start", rule: str = "road lost/1") -> Event:
    return Event(rule, "ahead", "front", "Road", kind, utc(time.time()), 0.25, 0.4, 7)  # type: ignore[arg-type]
