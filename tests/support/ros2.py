"""A ROS 2 that is not there: nodes, topics and messages as rclpy has them, whose bytes ``mcap-ros2-support`` writes."""

from __future__ import annotations

import array
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from mcap_ros2.writer import Writer

from edge_segnet.core.errors import OutputError
from edge_segnet.sinks.ros2.settings import Ros2Config
from edge_segnet.sinks.rosmsg.records import DEFINITIONS

FIELDS: dict[str, str] = {
    kind: "\n".join(line for line in text.splitlines() if "=" not in line) for kind, text in DEFINITIONS.items()
}
"""Without the constants. ``rosbags`` knows that the definitions are ROS 2's own (tests/sinks/test_ros2_bags.py)."""
LEVELS = {"OK": b"\x00", "WARN": b"\x01", "ERROR": b"\x02", "STALE": b"\x03"}
PYTHON = {"string": str, "byte": bytes, "float32": float}


def fields_of(kind: str) -> dict[str, str]:
    return {name: form for form, name in (line.split() for line in FIELDS[kind].splitlines())}


@cache
def message_class(kind: str) -> type:
    """As rosidl makes it: keyword arguments, an error for an unknown field or a wrong type, every field there."""
    known = fields_of(kind)

    def init(self: Any, **given: Any) -> None:
        assert given.keys() == known.keys(), (kind, given.keys() ^ known.keys())
        for name, value in given.items():
            form = known[name]
            if form.endswith("[]"):
                inner = form[:-2]
                wanted = {"uint8": array.array, "float32": array.array}.get(inner, list)
                assert isinstance(value, wanted), (kind, name, type(value))
            elif "/" in form:
                assert isinstance(value, message_class(form)), (kind, name)
            else:
                assert isinstance(value, PYTHON.get(form, int)) and not isinstance(value, bool), (kind, name, value)
            setattr(self, name, value)

    constants = LEVELS if kind == "diagnostic_msgs/DiagnosticStatus" else {}
    return type(kind.partition("/")[2], (), {"__init__": init, "kind": kind, **constants})


class Topic:
    """A publisher with as many subscribers as a test says."""

    def __init__(self, kind: str, name: str, latched: bool) -> None:
        self.kind, self.name, self.latched = kind, name, latched
        self.subscribers = 1
        self.sent: list[Any] = []
        self.broken = False

    def publish(self, msg: Any) -> None:
        """Keep it."""
        assert isinstance(msg, message_class(self.kind))
        if self.broken:
            raise RuntimeError("publisher is\ninvalid")
        self.sent.append(msg)

    def get_subscription_count(self) -> int:
        """As set."""
        return self.subscribers


class FakeLink:
    """A node that remembers."""

    def __init__(self, config: Ros2Config) -> None:
        self.config = config
        self.topics: dict[str, Topic] = {}
        self.opened = self.closed = False
        self.refuses = False

    def open(self) -> None:
        if self.refuses:
            raise OutputError("the node can't start (no middleware)")
        self.opened = True

    def kind(self, name: str) -> Any:
        return message_class(name)

    def publisher(self, kind: str, topic: str, *, latched: bool = False) -> Topic:
        assert self.opened and topic not in self.topics
        made = self.topics[topic] = Topic(kind, topic, latched)
        return made

    def remove(self, publishers: Sequence[Any]) -> None:
        self.topics = {name: topic for name, topic in self.topics.items() if topic not in publishers}

    def close(self) -> None:
        self.closed = True


def written_and_read(path: Path, topics: dict[str, Topic]) -> dict[str, list[Any]]:
    """Every message as CDR bytes in an MCAP of the profile ros2, read back by the definitions alone."""
    with path.open("wb") as file:
        writer = Writer(file)
        schemas = {}
        for topic in topics.values():
            for message in topic.sent:
                if topic.kind not in schemas:
                    name = topic.kind.replace("/", "/msg/")
                    schemas[topic.kind] = writer.register_msgdef(name, definition(topic.kind))
                writer.write_message(topic.name, schemas[topic.kind], plain(message))
        writer.finish()
    found: dict[str, list[Any]] = {}
    with path.open("rb") as read:
        for _, channel, _, decoded in make_reader(read, decoder_factories=[DecoderFactory()]).iter_decoded_messages():
            found.setdefault(channel.topic, []).append(decoded)
    return found


def definition(kind: str) -> str:
    """A definition with those that it needs below it, as .msg files of ROS 2 are put together in MCAP."""
    needed, waiting = [], [kind]
    while waiting:
        current = waiting.pop(0)
        needed.append(current)
        inner = [form.removesuffix("[]") for form in fields_of(current).values() if "/" in form]
        waiting += [form for form in inner if form not in needed and form not in waiting]
    parts = [FIELDS[kind], *(f"MSG: {each}\n{FIELDS[each]}" for each in needed[1:])]
    return f"\n{'=' * 80}\n".join(parts)


def plain(message: Any) -> Any:
    """rclpy's bytes of length 1 are numbers in CDR."""
    if isinstance(message, list):
        return [plain(each) for each in message]
    if not hasattr(message, "kind"):
        return message[0] if isinstance(message, bytes) else message
    return SimpleNamespace(**{name: plain(getattr(message, name)) for name in fields_of(message.kind)})
