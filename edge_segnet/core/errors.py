"""Every error that a user can meet, each with an exit code and what to do next.

    EdgeSegnetError            1  a bug of ours (never raised as such)
    |-- UsageError             2  wrong flags or values
    |   `-- SettingsError      2  a fault in a settings file, or in a flag that changes one
    |-- ModelError             3  model or engine unusable
    |-- InputError             4  picture, video, folder or camera unusable
    |   |-- BadFrame           4  one frame can't be decoded, the next may be good
    |   |-- SourceLost         4  a source that worked stopped working
    |   `-- EndOfStream        -  not a failure: there are no more frames
    |-- OutputError            4  a result could not be written
    |-- PartialFailure         5  some inputs failed, the rest is done
    |-- DeviceLost             6  the GPU is gone; a restart may help
    `-- BudgetMissed           7  a budget or threshold was missed

The codes are the contract's; ``edge-segnet --help`` prints them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from edge_segnet.core.extras import here

MAX_MESSAGE: Final = 1000
"""Characters; what is in the middle of a longer one is left out."""


class EdgeSegnetError(Exception):
    """Says what happened, with the value and the place; ``hint`` says what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = one_line(message)
        super().__init__(self.message)
        self.hint = one_line(here(hint))

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


def first_line(error: Exception) -> str:
    """The first line of an error that a library raised, for a message of one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def one_line(text: str) -> str:
    """Names and values from files may hold line breaks, terminal codes and thousands of characters."""
    line = "".join(mark if mark.isprintable() else " " for mark in text).strip()
    if len(line) <= MAX_MESSAGE:
        return line
    half = MAX_MESSAGE // 2
    return f"{line[:half]} ... {line[-half:]}"


class UsageError(EdgeSegnetError):
    exit_code = 2


Key = tuple["str | int", ...]
"""Where a value stands in the settings: ("cameras", "front", "rate"); items of a list by number."""


def dotted(key: Key) -> str:
    """("rules", 0, "name") -> rules[0].name"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).lstrip(".")


@dataclass(frozen=True)
class Place:
    """Where a value of the settings came from: a file and its line, or a flag of the command line."""

    path: str = ""
    line: int | None = None
    key: Key = ()

    def __str__(self) -> str:
        """``config.yaml:12: http.port``, ``--set http.port``, ``--source (cameras.front.source)``."""
        where, key = self.path + (f":{self.line}" if self.line else ""), dotted(self.key)
        if not (where and key):
            return where or key
        if not where.startswith("--"):
            return f"{where}: {key}"
        return where if where.endswith(key) else f"{where} ({key})"


class SettingsError(UsageError):
    """A fault in the settings. Its place is data, and is put into words here alone.

    A sink knows the ``key`` at fault and no more; who has read the settings adds file and line with ``at``.
    """

    def __init__(self, what: str, *, hint: str = "", key: Key = (), path: str = "", line: int | None = None) -> None:
        self.what, self.place = what, Place(path, line, key)
        super().__init__(": ".join(part for part in (str(self.place), what) if part), hint=hint)

    def at(self, place: Place) -> SettingsError:
        """The same fault there."""
        return SettingsError(self.what, hint=self.hint, key=place.key, path=place.path, line=place.line)


class ModelError(EdgeSegnetError):
    exit_code = 3


class InputError(EdgeSegnetError):
    exit_code = 4


class BadFrame(InputError):
    pass


class SourceLost(InputError):
    pass


class EndOfStream(InputError):
    pass


class OutputError(EdgeSegnetError):
    exit_code = 4


class PartialFailure(EdgeSegnetError):
    exit_code = 5


class DeviceLost(EdgeSegnetError):
    """``sticky``: every later call of this process would fail as well."""

    exit_code = 6

    def __init__(self, message: str, *, hint: str = "", sticky: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.sticky = sticky


class BudgetMissed(EdgeSegnetError):
    exit_code = 7
