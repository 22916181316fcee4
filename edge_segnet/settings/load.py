"""From config.yaml and the command line to a ``Config``; every fault names file, line and key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from edge_segnet.core import uris
from edge_segnet.core.errors import ConfigError
from edge_segnet.settings import yaml as strict_yaml
from edge_segnet.settings.regions import faults_between
from edge_segnet.settings.schema import Config
from edge_segnet.settings.yaml import Document, Key, dotted


@dataclass(frozen=True)
class Change:
    """One value from the command line: a dotted key, the value, and the flag it came with, for messages."""

    key: str
    value: Any
    flag: str
    words: Mapping[Key, str] = field(default_factory=dict)


def parse_setting(text: str) -> Change:
    """``http.port=8081`` (the value is YAML); raises ConfigError."""
    key, found, value = text.partition("=")
    if not found or not key or not all(key.split(".")):
        raise ConfigError(f"--set {text}: not KEY=VALUE", hint="for example --set http.port=8081")
    flag = f"--set {key}"
    parsed = strict_yaml.parse(value, flag, numbered=False)
    return Change(key, parsed.data, flag, parsed.words)


def load(path: Path | None = None, changes: Sequence[Change] = (), source: str | None = None) -> Config:
    """Read and check the settings.

    Args:
        path: the file; None: the defaults.
        changes: what the command line changes, in that order.
        source: takes the place of the only camera's.

    Raises:
        ConfigError: file:line:key, what is wrong, and what would be right.
    """
    document = Document("the defaults", {}) if path is None else strict_yaml.read(path)
    if not isinstance(document.data, dict):
        raise ConfigError(f"{document.where}: holds no settings", hint="it must consist of 'key: value' lines")
    if source is not None:
        changes = [*changes, _source_change(document, source)]
    flags: dict[Key, str] = {}
    for change in changes:
        flags[_apply(document, change)] = change.flag
    try:
        config = Config.model_validate(document.data)
    except ValidationError as error:
        raise _explained(error, document, flags) from error
    config.came_from(lambda key: _place(key, document, flags))
    mounts = {name: camera.mount for name, camera in config.cameras.items()}
    for fault in faults_between(config.regions, config.rules, mounts):
        raise config.error(fault.key, fault.message, fault.hint)
    return config


def _source_change(document: Document, source: str) -> Change:
    cameras = document.data.get("cameras")
    if not isinstance(cameras, dict) or not cameras:
        return Change("cameras.camera.source", source, "--source")
    if len(cameras) > 1:
        names = ", ".join(map(str, cameras))
        hint = f"use --set cameras.NAME.source=URI ({names})"
        raise ConfigError(f"--source: {document.where} has {len(cameras)} cameras", hint=hint)
    (name,) = cameras
    if isinstance(cameras[name], dict):
        cameras[name].pop("pipeline", None)
    return Change(f"cameras.{name}.source", source, "--source")


def _apply(document: Document, change: Change) -> Key:
    """Set one value in the data; sections on the way are made."""
    parts = tuple(change.key.split("."))
    section = document.data
    for depth, part in enumerate(parts[:-1]):
        if section.get(part) is None:
            section[part] = {}
        section = section[part]
        if not isinstance(section, dict):
            raise ConfigError(f"{change.flag}: {'.'.join(parts[: depth + 1])} is no section")
    section[parts[-1]] = change.value
    for key in [key for key in document.words if key[: len(parts)] == parts]:
        del document.words[key]  # what the file said there
    document.words.update({parts + inner: words for inner, words in change.words.items()})
    return parts


def _explained(error: ValidationError, document: Document, flags: dict[Key, str]) -> ConfigError:
    """The most telling of pydantic's faults, in our words."""
    faults = sorted((_fault(entry, document) for entry in error.errors(include_url=False)), key=lambda fault: fault[0])
    _, key, message, hint = faults[0]
    return ConfigError(f"{_place(key, document, flags)}: {message}", hint=hint)


def _place(key: Key, document: Document, flags: dict[Key, str]) -> str:
    """``config.yaml:12: http.port``, or the flag that the value came with."""
    flag = next((name for start, name in flags.items() if key[: len(start)] == start), None)
    if flag is None:
        return document.place(key)
    return flag + ("" if flag.endswith(dotted(key)) else f" ({dotted(key)})")


_PRIORITY: Final = {"extra_forbidden": 0, "missing": 2, "none_required": 3, "model_type": 3, "literal_error": 1}


def _fault(entry: Any, document: Document) -> tuple[int, Key, str, str]:
    """(rank, key, message, hint) of one fault."""
    key, value = _real_key(entry, document.data)
    kind = entry["type"]
    rank = _PRIORITY.get(kind, 1)
    words = document.words.get(key)
    if kind == "extra_forbidden":
        known = known_keys(key[:-1])
        near = difflib.get_close_matches(str(key[-1]), known, 1)
        return rank, key, "unknown key", f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    if kind == "missing":
        return rank, key, "missing", "give it a value"
    if kind == "value_error":
        message, _, hint = str(entry["ctx"]["error"]).partition(": ")
        return rank, key, message, hint
    if isinstance(value, dict) and kind in ("literal_error", "string_type"):
        rank = 3  # of a union: the other branch says what is wrong
    if words is not None and kind in ("string_type", "literal_error"):
        return rank, key, f"{words} is not text (YAML reads it as {value!r})", f'put it in quotes: "{words}"'
    shown = words if words is not None else _shown(value)
    return rank, key, f"{shown}: {_WORDS.get(kind) or _lower(entry['msg'])}", ""


_WORDS: Final = {
    "string_type": "should be text",
    "int_type": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "list_type": "should be a list: [a, b]",
    "model_type": "should have keys of its own",
    "dict_type": "should have keys of its own",
    "too_short": "at least one is needed",
}


def _real_key(entry: Any, data: Any) -> tuple[Key, Any]:
    """pydantic's path without the names of union branches and of key checks, and the value there."""
    key: list[str | int] = []
    value = data
    for part in entry["loc"]:
        if (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        ):
            key.append(part)
            value = value[part]
    if entry["type"] == "missing":
        key.append(entry["loc"][-1])
    return tuple(key), value


def known_keys(path: Key) -> list[str]:
    """Keys that may stand in the section at ``path``."""
    models: list[type[BaseModel]] = [Config]
    if path[:1] in (("cameras",), ("regions",)):
        path = (*path[:1], *path[2:])  # the name of one is no field
    for part in path:
        if isinstance(part, str):  # an item of a list has the list's fields
            models = [model for parent in models for model in _models_below(parent, part)]
    return sorted({field.alias or name for model in models for name, field in model.model_fields.items()})


def _models_below(parent: type[BaseModel], part: str) -> list[type[BaseModel]]:
    known = parent.model_fields
    return _models_in(known[part].annotation) if part in known else []


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]


def _shown(value: Any) -> str:
    text = uris.without_credentials(repr(value) if isinstance(value, str) else str(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _lower(message: str) -> str:
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]
