"""Opens the sinks that the settings ask for, and exchanges them when the settings change."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from edge_segnet.core.documents import SinkDocument
from edge_segnet.core.errors import SettingsError
from edge_segnet.core.types import Result, Sink
from edge_segnet.settings.schema import Config
from edge_segnet.sinks import Service
from edge_segnet.sinks.fanout import Fanout, Outlet, StartedSink


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
            from edge_segnet.sinks.files.jsonl import JsonLinesSink

            return JsonLinesSink(section, service)
        case "video":
            from edge_segnet.sinks.files.video import VideoSink

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


def opened(name: str, config: Config, service: Service) -> StartedSink:
    """As ``make``, of whole settings: what is wrong with a value is told by its line."""
    try:
        return make(name, getattr(config, name), service)
    except SettingsError as error:
        raise config.placed(error) from error


@dataclass(frozen=True)
class Exchange:
    """What the settings ask for, made, and what it takes the place of."""

    sections: Mapping[str, Any]
    outlets: Mapping[str, Outlet]
    """All that will be at work."""
    fresh: tuple[Outlet, ...]
    gone: tuple[Outlet, ...]


class SinkManager:
    """The sinks at work, behind one fan-out."""

    NAMES = ("http", "rtsp", "mqtt", "jsonl", "video", "recording", "foxglove", "ros2")

    def __init__(self, service: Service, extra: Mapping[str, Sink]) -> None:
        """``extra``: sinks that no section describes, such as a window."""
        self._service = service
        self._sections: Mapping[str, Any] = {}
        self._fanout = Fanout(extra)

    def prepare(self, config: Config, made: ExitStack) -> Exchange:
        """Make what ``config`` asks for and is not there; ``made`` closes it again. What needs no other's place is
        started, too.

        Raises:
            UsageError: one can't be made.
        """
        wanted = {name: getattr(config, name) for name in self.NAMES}
        changed = [name for name in self.NAMES if wanted[name] != self._sections.get(name)]
        old = self._fanout.outlets
        fresh = [self._outlet(name, config, old.get(name), made) for name in changed if wanted[name] is not None]
        kept = {name: outlet for name, outlet in old.items() if name not in changed}
        gone = tuple(old[name] for name in changed if name in old)
        return Exchange(wanted, kept | {outlet.name: outlet for outlet in fresh}, tuple(fresh), gone)

    def _outlet(self, name: str, config: Config, old: Outlet | None, made: ExitStack) -> Outlet:
        sink = opened(name, config, self._service)
        outlet = Outlet(name, sink, old, started=old is None)
        made.callback(outlet.discard)
        if old is None:
            sink.start()
        outlet.start()
        return outlet

    def commit(self, new: Exchange) -> None:
        """Put them at work; waits for nobody, and can't fail: a new one takes the old one's place on its own thread."""
        self._sections, self._fanout.outlets = new.sections, new.outlets
        for outlet in new.gone:
            outlet.stop()
        for outlet in new.fresh:
            outlet.begin()

    def check(self, config: Config) -> None:
        """Make every sink and throw it away; raises UsageError as ``prepare``."""
        for name in self.NAMES:
            if getattr(config, name) is not None:
                Outlet(name, opened(name, config, self._service)).discard()

    def publish(self, result: Result) -> None:
        """Leave a result for every sink; never waits."""
        self._fanout.publish(result)

    def trigger(self, label: str) -> bool:
        """Have what was just seen written; False: nothing records."""
        asked = [each.sink for each in self._fanout.outlets.values() if isinstance(each.sink, Triggered)]
        for sink in asked:
            sink.trigger(label)
        return bool(asked)

    def status(self) -> dict[str, SinkDocument]:
        """Name -> what the sink says of itself."""
        return self._fanout.status()

    def close(self, timeout_s: float) -> None:
        """Close all, side by side."""
        self._fanout.close(timeout_s)
