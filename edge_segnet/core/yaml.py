"""The one reader of YAML, for settings, class maps, specs and budgets: plain data with the line of every value, and
none of YAML's surprises.

Refused, each with file:line:key: anchors and aliases, tags, duplicate keys, deep nesting, several documents, ``1:30``
(which YAML 1.1 reads as 90), ``010`` (8), ``.inf``, ``.nan`` and numbers that no int64 or double holds.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from edge_segnet.core.errors import Key, Place, SettingsError
from edge_segnet.core.files import read_file

MAX_BYTES: Final = 256 * 1024
"""Of a file that people write; a model's card and data sets' class maps are read by the same reader."""
MAX_DEPTH: Final = 16
"""Levels of lists and mappings; the parser itself calls itself once a level."""
MAX_DIGITS: Final = 64
"""Of a number; Python itself refuses thousands, in words of its own."""
_RESOLVER: Final[Any] = yaml.resolver.Resolver()
_TAG: Final = "tag:yaml.org,2002:"
_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)


@dataclass
class Document:
    """What a file says: plain data, the line of each value, and the words of those that YAML turned into others."""

    where: str
    """The file, or the flag of the command line that the text came with."""
    data: Any = None
    lines: dict[Key, int] = field(default_factory=dict)
    words: dict[Key, str] = field(default_factory=dict)

    def place(self, key: Key) -> Place:
        """Of a value; of a key that is missing, the line of what it is missing in."""
        known = key
        while known not in self.lines and known:
            known = known[:-1]
        return Place(self.where, self.line(self.lines.get(known)), key)

    def line(self, number: int | None) -> int | None:
        """As it is worth telling: not that of a value on the command line."""
        return None if self.where.startswith("--") else number


def read(path: Path) -> Document:
    """Read a settings file; an empty one is an empty mapping.

    Raises:
        SettingsError: it can't be read, is larger than 256 KiB, is not UTF-8, or holds what is refused here.
    """
    try:
        raw = read_file(path, MAX_BYTES)
    except OSError as error:
        what, hint = error.strerror or str(error), "check the file and its rights"
        raise SettingsError(what, hint=hint, path=str(path)) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise SettingsError("not UTF-8 text", hint="save the file as UTF-8", path=str(path), line=line) from error
    document = parse(text, str(path))
    if document.data is None:
        document.data = {}
    return document


def parse(text: str, where: str) -> Document:
    """Plain data of YAML text; ``where`` names it in errors. Raises SettingsError as ``read``."""
    builder = _Builder(Document(where))
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = builder.document.line(mark.line + 1) if mark else None
        raise SettingsError(f"not YAML ({error.problem or error.context})", path=where, line=line) from error
    except SettingsError:
        raise
    except Exception as error:
        # PyYAML also says ValueError and OverflowError, of version numbers and escapes that no integer holds.
        raise SettingsError(f"not YAML ({error})", path=where) from error
    return builder.document


def _number(kind: str, words: str) -> int | float | None:
    """A decimal number; None: it is none. Infinite where it has digits beyond all reason."""
    if len(words) > MAX_DIGITS:
        return math.inf
    if kind == "int" and _DECIMAL.fullmatch(words):
        return int(words)
    if kind == "float" and ":" not in words and words.lstrip("+-").lower() not in (".inf", ".nan"):
        return float(words.replace("_", ""))
    return None


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


class _Builder:
    """Builds data from parser events, without recursion, so that nesting can be bounded."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._open: list[Any] = []
        """Containers under way."""
        self._keys: list[str | int | None] = []
        """For each of them: the key or number whose value comes next; None: a mapping's next key comes."""
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._error(event, "a second document begins", "one file, one document: remove the ---")
        elif isinstance(event, yaml.AliasEvent):
            raise self._error(event, f"an alias, *{event.anchor}", "write the value out")
        elif isinstance(event, yaml.NodeEvent):
            self._node(event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._open.pop()
            self._keys.pop()
            self._advance()

    def _node(self, event: Any) -> None:
        if event.anchor:
            raise self._error(event, f"an anchor, &{event.anchor}", "write the value out where it is needed")
        if event.tag is not None and event.tag != "!":
            raise self._error(event, f"a tag, {event.tag}", "remove it")
        if self._open and self._keys[-1] is None:
            self._key(event)
            return
        if isinstance(event, yaml.ScalarEvent):
            self._put(event, self._scalar(event))
            self._advance()
            return
        container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._put(event, container)
        self._open.append(container)
        self._keys.append(None if isinstance(container, dict) else 0)
        if len(self._open) > MAX_DEPTH:
            raise self._error(event, f"nested more than {MAX_DEPTH} deep", "settings are flatter than that")

    def _key(self, event: Any) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            raise self._error(event, "a key that is no word", "keys are plain words")
        key = self._scalar(event)
        if not isinstance(key, str):
            raise self._error(event, f"the key {event.value} reads as {key!r}", f'put it in quotes: "{event.value}"')
        if key in self._open[-1]:
            first = self.document.lines[self._path(key)]
            raise self._error(event, "stands twice", f"the first is in line {first}", key)
        self._keys[-1] = key
        self.document.lines[self._path()] = _line(event)

    def _put(self, event: yaml.NodeEvent, value: Any) -> None:
        if not self._open:
            self.document.data = value
            self.document.lines[()] = _line(event)
            return
        self.document.lines.setdefault(self._path(), _line(event))
        if isinstance(self._open[-1], list):
            self._open[-1].append(value)
        else:
            self._open[-1][self._keys[-1]] = value

    def _advance(self) -> None:
        """A value is complete: the next item's number, or the next key, comes."""
        if self._keys:
            key = self._keys[-1]
            self._keys[-1] = key + 1 if isinstance(key, int) else None

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        words = event.value
        kind = str(_RESOLVER.resolve(yaml.ScalarNode, words, event.implicit)).removeprefix(_TAG)
        if kind == "null":
            return None
        if kind in ("merge", "value"):
            raise self._error(event, f"{words} is not supported", "write the values out")
        if kind not in ("bool", "int", "float"):
            return words
        if self._open and self._keys[-1] is not None:
            self.document.words[self._path()] = words
        if kind == "bool":
            return words.lower() in ("yes", "true", "on")
        number = _number(kind, words)
        if number is None:
            raise self._error(event, f"{words} is no plain number", "give a decimal number, or put it in quotes")
        if not math.isfinite(number) or (abs(number) >= 2**63 and isinstance(number, int)):
            raise self._error(event, f"{words} is too large a number", "give a smaller one, or put it in quotes")
        return number

    def _path(self, *last: str | int) -> Key:
        known = tuple(key for key in self._keys if key is not None)
        return known + last

    def _error(self, event: yaml.Event, what: str, hint: str, *inner: str) -> SettingsError:
        line = self.document.line(_line(event))
        return SettingsError(what, hint=hint, key=self._path(*inner), path=self.document.where, line=line)
