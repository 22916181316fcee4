"""Opens the sinks that the settings ask for, and exchanges them when the settings change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from edge_segnet.core.documents import SinkDocument
from edge_segnet.core.errors import SettingsError
from edge_segnet.core.types import Result, Sink
from edge_segnet.settings.schema import Config
from edge_segnet.sinks import Service
from edge_segnet.sinks.fanout import Fanout


class StartedSink(Sink, Protocol):
    """A sink that does nothing before ``start``, so that another can still have its place."""

    def start(self) -> None: ...


@runtime_checkable
class Triggered(Protocol):
    """A sink that keeps what was, until it is asked to write it."""

    def trigger(self, label: str) -> None: ...


def make(name: str, section: Any, service: Service) -> StartedSink:
    """The sink of a section of the settings.

    Raises:
        UsageError: the section can't work on this machine (no token, no GStreamer, a bad certificate).
    """
    # Each is imported when it is wanted: together they are slow to load, and not all that they need is everywhere.
    match name:
        case "http":
            from edge_segnet.sinks.http import HttpSink

            return HttpSink(section, service)
        case "rtsp":
            from edge_segnet.sinks.rtsp import RtspSink

            return RtspSink(section, service)
        case "mqtt":
            from edge_segnet.sinks.mqtt import MqttSink

            return MqttSink(section, service)
        case "jsonl":
            from edge_segnet.sinks.jsonl import JsonLinesSink

            return JsonLinesSink(section, service)
        case "video":
            from edge_segnet.sinks.video import VideoSink

            return VideoSink(section, service)
        case "recording":
            from edge_segnet.sinks.recording import RecordingSink

            return RecordingSink(section, service)
        case "foxglove":
            from edge_segnet.sinks.foxglove import FoxgloveSink

            return FoxgloveSink(section, service)
        case "ros2":
            from edge_segnet.sinks.ros2 import Ros2Sink

            return Ros2Sink(section, service)
    raise LookupError(name)


def made(name: str, config: Config, service: Service) -> StartedSink:
    """As ``make``, of whole settings: what is wrong with a value is told by its line."""
    try:
        return make(name, getattr(config, name), service)
    except SettingsError as error:
        raise config.placed(error) from error


class SinkManager:
    """The sinks at work, behind one fan-out."""

    NAMES = ("http", "rtsp", "mqtt", "jsonl", "video", "recording", "foxglove", "ros2")

    def __init__(self, service: Service, extra: Mapping[str, Sink]) -> None:
        """``extra``: sinks that no section describes, such as a window."""
        self._service = service
        self._sections: dict[str, Any] = {}
        self._fanout = Fanout(extra)
        self._triggered: dict[str, Triggered] = {}

    def open(self, config: Config) -> None:
        """Have what ``config`` asks for: all new sinks are made before an old one is closed.

        Raises:
            UsageError: one can't be made; then nothing has changed.
        """
        wanted = {name: getattr(config, name) for name in self.NAMES}
        changed = {name: section for name, section in wanted.items() if section != self._sections.get(name)}
        sinks = {name: made(name, config, self._service) for name, section in changed.items() if section is not None}
        for name in changed:
            self._fanout.replace(name, None)
            if name in sinks:
                sinks[name].start()
                self._fanout.replace(name, sinks[name])
        kept = {name: sink for name, sink in self._triggered.items() if name not in changed}
        self._triggered = kept | {name: sink for name, sink in sinks.items() if isinstance(sink, Triggered)}
        self._sections = wanted

    def check(self, config: Config) -> None:
        """Make every sink and throw it away; raises UsageError as ``open``."""
        for name in self.NAMES:
            if getattr(config, name) is not None:
                made(name, config, self._service)

    def publish(self, result: Result) -> None:
        """Leave a result for every sink; never waits."""
        self._fanout.publish(result)

    def trigger(self, label: str) -> bool:
        """Have what was just seen written; False: nothing records."""
        for sink in self._triggered.values():
            sink.trigger(label)
        return bool(self._triggered)

    def status(self) -> dict[str, SinkDocument]:
        """Name -> what the sink says of itself."""
        return self._fanout.status()

    def addresses(self) -> dict[str, str]:
        """Where people find those sinks that have an address."""
        own = {name: told.model_extra or {} for name, told in self.status().items()}
        found = {"dashboard" if name == "http" else name: told.get("url") for name, told in own.items()}
        return {name: url for name, url in found.items() if url}

    def close(self) -> None:
        """Close all."""
        self._fanout.close()
