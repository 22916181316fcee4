"""All sinks: a line each. Settings, service, doctor and the pages read them here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from edge_segnet.settings import load as files
from edge_segnet.settings.load import Change
from edge_segnet.settings.schema import Config, with_sections
from edge_segnet.sinks.spec import SinkSpec

FOLDERS: Final = (
    "edge_segnet.sinks.http",
    "edge_segnet.sinks.rtsp",
    "edge_segnet.sinks.mqtt",
    "edge_segnet.sinks.files",
    "edge_segnet.sinks.recording",
    "edge_segnet.sinks.foxglove",
    "edge_segnet.sinks.ros2",
)


def specs_of(folders: Iterable[str]) -> tuple[SinkSpec, ...]:
    """What the folders' ``spec.py`` say, in that order."""
    return tuple(spec for folder in folders for spec in import_module(f"{folder}.spec").SPECS)


SPECS: Final = specs_of(FOLDERS)


@cache
def config_type(specs: tuple[SinkSpec, ...] = SPECS) -> type[Config]:
    """The settings with a section for every sink."""
    return with_sections({spec.name: (spec.settings, spec.default) for spec in specs})


def configured(**values: Any) -> Config:
    """Settings from values, as a file would give them; raises pydantic's ValidationError."""
    return config_type().model_validate(values)


def load(path: Path | None = None, changes: Sequence[Change] = (), source: str | None = None) -> Config:
    """The settings of a file and the command line; see ``settings.load``."""
    return files.load(path, changes, source, config_type())


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the settings file."""
    return config_type().model_json_schema()
