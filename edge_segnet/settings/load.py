"""From config.yaml and the command line to a ``Config``; every fault names file, line and key, or the flag."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from edge_segnet.core import uris
from edge_segnet.core import yaml as strict_yaml
from edge_segnet.core.errors import Key, Place, SettingsError, dotted
from edge_segnet.core.yaml import Document
from edge_segnet.settings.regions import faults_between
from edge_segnet.settings.schema import Config


@dataclass(frozen=True)
class Change:
    """One value from the command line: a dotted key, the value, and the flag it came with, for messages."""

    key: str
    value: Any
    flag: str
    words: Mapping[Key, str] = field(default_factory=dict)

    @property
    def parts(self) -> Key:
        return tuple(self.key.split("."))


def parse_setting(text: str) -> Change:
    """``http.port=8081`` (the value is YAML); raises SettingsError."""
    key, found, value = text.partition("=")
    if not found or not key or not all(key.split(".")):
        raise SettingsError("not KEY=VALUE", hint="for example --set http.port=8081", path=f"--set {text}")
    flag = f"--set {key}"
    parsed = strict_yaml.parse(value, flag)
    return Change(key, parsed.data, flag, parsed.words)


def load(
    path: Path | None = None, changes: Sequence[Change] = (), source: str | None = None, kind: type[Config] = Config
) -> Config:
    """Read and check the settings.

    Args:
        path: the file; None: the defaults.
        changes: what the command line changes, in that order.
        source: takes the place of the only camera's.
        kind: the settings with the sections of the sinks (``sinks.registry``).

    Raises:
        SettingsError: file:line:key or flag, what is wrong, and what would be right.
    """
    document = Document("the defaults", {}) if path is None else strict_yaml.read(path)
    if not isinstance(document.data, dict):
        hint = "it must consist of 'key: value' lines"
        raise SettingsError("holds no settings", hint=hint, path=document.where)
    if source is not None:
        changes = [*changes, _source_change(document, source)]
    changed = _changed(document, changes)
    try:
        config = kind.model_validate(changed.data)
    except ValidationError as error:
        fault = _worst(error, changed, kind)
        raise fault.error(_blamed(fault, document, changes, kind)) from error
    config.came_from(lambda key: _place(key, changed, changes))
    mounts = {name: camera.mount for name, camera in config.cameras.items()}
    for between in faults_between(config.regions, config.rules, mounts):
        raise config.error(between.key, between.message, between.hint)
    return config


def _source_change(document: Document, source: str) -> Change:
    cameras = document.data.get("cameras")
    if not isinstance(cameras, dict) or not cameras:
        return Change("cameras.camera.source", source, "--source")
    if len(cameras) > 1:
        names = ", ".join(map(str, cameras))
        hint = f"use --set cameras.NAME.source=URI ({names})"
        raise SettingsError(f"{document.where} has {len(cameras)} cameras", hint=hint, path="--source")
    (name,) = cameras
    if isinstance(cameras[name], dict):
        cameras[name].pop("pipeline", None)
    return Change(f"cameras.{name}.source", source, "--source")


def _changed(document: Document, changes: Sequence[Change]) -> Document:
    """A copy with the command line's values; sections on the way to them are made."""
    made = copy.deepcopy(document)
    for change in changes:
        section = made.data
        for depth, part in enumerate(change.parts[:-1]):
            if section.get(part) is None:
                section[part] = {}
            section = section[part]
            if not isinstance(section, dict):
                raise SettingsError(f"{dotted(change.parts[: depth + 1])} is no section", path=change.flag)
        section[change.parts[-1]] = change.value
        for key in [key for key in made.words if key[: len(change.parts)] == change.parts]:
            del made.words[key]  # what the file said there
        made.words.update({change.parts + inner: words for inner, words in change.words.items()})
    return made


def _place(key: Key, document: Document, changes: Sequence[Change]) -> Place:
    """Where a value, or what is missing, was said: by the last flag at it, the file, or a flag inside it or beside."""
    for change in reversed(changes):
        if key[: len(change.parts)] == change.parts:
            return Place(change.flag, None, key)
    if key in document.lines:
        return document.place(key)
    near = [change for change in changes if key and change.parts[0] == key[0] and key[:1] not in document.lines]
    return Place(near[-1].flag, None, key) if near else document.place(key)


def _blamed(fault: _Fault, document: Document, changes: Sequence[Change], kind: type[Config]) -> Place:
    """The place of a fault. Where no flag names its key, it is the flag with which the fault came, if it was a flag."""
    place = _place(fault.key, document, changes)
    if place.path != document.where:
        return place
    for count in range(len(changes)):
        tried = _changed(document, changes[:count])
        if fault in _faults(tried, kind):
            return place if count == 0 else Place(changes[count - 1].flag, None, fault.key)
    return Place(changes[-1].flag, None, fault.key) if changes else place


@dataclass(frozen=True)
class _Fault:
    """What pydantic found, in our words; the least ``rank`` tells most."""

    rank: int
    key: Key
    message: str
    hint: str

    def error(self, place: Place) -> SettingsError:
        return SettingsError(self.message, hint=self.hint).at(place)


def _faults(document: Document, kind: type[Config]) -> list[_Fault]:
    try:
        kind.model_validate(document.data)
    except ValidationError as error:
        return [_fault(entry, document, kind) for entry in error.errors(include_url=False)]
    return []


def _worst(error: ValidationError, document: Document, kind: type[Config]) -> _Fault:
    return min(
        (_fault(entry, document, kind) for entry in error.errors(include_url=False)), key=lambda fault: fault.rank
    )


_PRIORITY: Final = {"extra_forbidden": 0, "missing": 2, "none_required": 3, "model_type": 3, "literal_error": 1}


def _fault(entry: Any, document: Document, config: type[Config]) -> _Fault:
    key, value = _real_key(entry, document.data)
    kind = entry["type"]
    rank = _PRIORITY.get(kind, 1)
    words = document.words.get(key)
    if kind == "extra_forbidden":
        known = known_keys(key[:-1], config)
        near = difflib.get_close_matches(str(key[-1]), known, 1)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return _Fault(rank, key, "unknown key", hint)
    if kind == "missing":
        return _Fault(rank, key, "missing", "give it a value")
    if kind == "value_error":
        wrong = entry["ctx"]["error"]
        inside: Key = getattr(wrong, "key", ())
        return _Fault(rank, key + inside, str(wrong), getattr(wrong, "hint", ""))
    if isinstance(value, dict) and kind in ("literal_error", "string_type"):
        rank = 3  # of a union: the other branch says what is wrong
    if words is not None and kind in ("string_type", "literal_error"):
        what = f"{words} is not text (YAML reads it as {value!r})"
        return _Fault(rank, key, what, f'put it in quotes: "{words}"')
    shown = words if words is not None else _shown(value)
    return _Fault(rank, key, f"{shown}: {_WORDS.get(kind) or _lower(entry['msg'])}", "")


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


def known_keys(path: Key, config: type[Config]) -> list[str]:
    """Keys that may stand in the section at ``path``."""
    models: list[type[BaseModel]] = [config]
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
    if inner := get_args(annotation):  # first: Python 3.10 takes list[X] for a class
        return [model for one in inner for model in _models_in(one)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def _shown(value: Any) -> str:
    text = uris.without_credentials(repr(value) if isinstance(value, str) else str(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _lower(message: str) -> str:
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]
