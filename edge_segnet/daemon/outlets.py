"""Opens the sinks that the settings ask for, and exchanges them when the settings change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from edge_segnet.config import Config
from edge_segnet.sinks import Service
from edge_segnet.sinks.fanout import Fanout
from edge_segnet.types import Result, Sink


class StartedSink(Sink, Protocol):
    """A sink that does nothing before ``start``, so that another can still have its place."""

    def start(self) -> None: ...


def make(name: str, section: Any, service: Service) -> StartedSink:
    """The sink of a section of the settings.

    Raises:
        UsageError: the section can't work on this machine (no token, no GStreamer, a bad certificate).
    """
    if name == "http":
        from edge_segnet.sinks.http import HttpSink

        return HttpSink(section, service)
    from edge_segnet.sinks.rtsp import RtspSink

    return RtspSink(section, service)


class Outlets:
    """The sinks at work, behind one fan-out."""

    NAMES = ("http", "rtsp")

    def __init__(self, service: Service, extra: Mapping[str, Sink]) -> None:
        """``extra``: sinks that no section describes, such as a window."""
        self._service = service
        self._sections: dict[str, Any] = {}
        self._fanout = Fanout(extra)

    def open(self, config: Config) -> None:
        """Have what ``config`` asks for: all new sinks are made before an old one is closed.

        Raises:
            UsageError: one can't be made; then nothing has changed.
        """
        wanted = {name: getattr(config, name) for name in self.NAMES}
        changed = {name: section for name, section in wanted.items() if section != self._sections.get(name)}
        made = {name: make(name, section, self._service) for name, section in changed.items() if section is not None}
        for name in changed:
            self._fanout.replace(name, None)
            if name in made:
                made[name].start()
                self._fanout.replace(name, made[name])
        self._sections = wanted

    def check(self, config: Config) -> None:
        """Make every sink and throw it away; raises UsageError as ``open``."""
        for name in self.NAMES:
            if getattr(config, name) is not None:
                make(name, getattr(config, name), self._service)

    def publish(self, result: Result) -> None:
        """Leave a result for every sink; never waits."""
        self._fanout.publish(result)

    def status(self) -> dict[str, Any]:
        """Name -> what the sink says of itself."""
        return self._fanout.status()

    def addresses(self) -> dict[str, str]:
        """Where people find those sinks that have an address."""
        found = {"dashboard" if name == "http" else name: told.get("url") for name, told in self.status().items()}
        return {name: url for name, url in found.items() if url}

    def close(self) -> None:
        """Close all."""
        self._fanout.close()
