"""Opens the sinks that the settings ask for, and exchanges them when the settings change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from edge_segnet.core.documents import SinkDocument
from edge_segnet.core.errors import SettingsError
from edge_segnet.core.types import Result, Sink
from edge_segnet.settings.schema import Config
from edge_segnet.sinks import Service
from edge_segnet.sinks.fanout import Fanout, Outlet, StartedSink
from edge_segnet.sinks.registry import SPECS
from edge_segnet.sinks.spec import SinkSpec


@runtime_checkable
class Triggered(Protocol):
    """A sink that keeps what was, until it is asked to write it."""

    def trigger(self, label: str) -> None: ...


def opened(spec: SinkSpec, config: Config, service: Service) -> StartedSink:
    """As ``SinkSpec.open``, of whole settings: what is wrong with a value is told by its line."""
    try:
        return spec.open(config.section(spec.name, spec.settings), service)
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

    def __init__(self, service: Service, extra: Mapping[str, Sink], specs: Sequence[SinkSpec] = SPECS) -> None:
        """``extra``: sinks that no section describes, such as a window; ``specs``: those that sections may ask for."""
        self._service, self._specs = service, specs
        self._sections: Mapping[str, Any] = {}
        self._fanout = Fanout(extra)

    def prepare(self, config: Config, made: ExitStack) -> Exchange:
        """Make what ``config`` asks for and is not there; ``made`` closes it again. What needs no other's place is
        started, too.

        Raises:
            UsageError: one can't be made.
        """
        wanted = {spec.name: config.section(spec.name, spec.settings) for spec in self._specs}
        changed = [spec for spec in self._specs if wanted[spec.name] != self._sections.get(spec.name)]
        old = self._fanout.outlets
        asked = [spec for spec in changed if wanted[spec.name] is not None]
        fresh = [self._outlet(spec, config, old.get(spec.name), made) for spec in asked]
        names = [spec.name for spec in changed]
        kept = {name: outlet for name, outlet in old.items() if name not in names}
        gone = tuple(old[name] for name in names if name in old)
        return Exchange(wanted, kept | {outlet.name: outlet for outlet in fresh}, tuple(fresh), gone)

    def _outlet(self, spec: SinkSpec, config: Config, old: Outlet | None, made: ExitStack) -> Outlet:
        sink = opened(spec, config, self._service)
        outlet = Outlet(spec.name, sink, old, started=old is None)
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
        for spec in self._specs:
            if config.section(spec.name, spec.settings) is not None:
                Outlet(spec.name, opened(spec, config, self._service)).discard()

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
