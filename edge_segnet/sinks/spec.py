"""What the house must know of a sink without importing it: one ``SinkSpec`` per section of the settings.

A sink is a folder here: ``settings.py`` (what may stand in its section), ``spec.py`` (this) and the sink itself. One
line in ``registry.py`` makes it known to settings, service, doctor and the pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypedDict

from edge_segnet.core.files import state_folder
from edge_segnet.settings.sections import Section
from edge_segnet.sinks import Service
from edge_segnet.sinks.fanout import StartedSink


class SinkStatus(TypedDict, total=False):
    """What any sink may tell; each one's own type, in its ``spec.py``, says what else it does."""

    state: str
    error: str | None
    """Why it can't do its work now."""
    queue: int
    """What waits to be sent, or written."""
    dropped: int
    """Results that it took and could not pass on."""


@dataclass(frozen=True, eq=False)
class SinkSpec:
    """One sink."""

    name: str
    """Of its section, and of the sink in the status."""
    settings: type[Section]
    opener: str
    """``module:Class``, called with the section and the service; imported when it is wanted: together they are slow to
    load, and not all that they need is everywhere.
    """
    status: type[SinkStatus]
    """What it tells of itself, whole; the fan-out adds its own counts."""
    default: Section | None = None
    """What it is where the file has no such section; None: not there."""
    modules: tuple[str, ...] = ()
    """Python modules that it needs beyond the core's,"""
    install: str = ""
    """and where they come from."""
    listens: bool = False
    """At its section's ``host`` and ``port``,"""
    token: bool = False
    """behind its ``auth``,"""
    tls: bool = False
    """with its ``tls``."""
    folder: str = ""
    """Of the state folder, where its files go if its section has no ``path``; empty: it writes none."""

    def open(self, section: Any, service: Service) -> StartedSink:
        """The sink, which ``start`` begins.

        Raises:
            UsageError: the section can't work on this machine (no token, no GStreamer, a bad certificate).
        """
        module, _, name = self.opener.partition(":")
        sink: StartedSink = getattr(import_module(module), name)(section, service)
        return sink

    def path(self, section: Any) -> Path | None:
        """The folder that it writes to; None: it writes none."""
        return (section.path or state_folder() / self.folder) if self.folder else None
