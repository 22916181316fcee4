"""Which tests call other programs: noted while they run, for ``pytest --calling``, which runs only these.

A test calls one if it starts a program other than this Python and ours, looks for one, or runs a command of ours that
does so in a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from functools import wraps
from pathlib import Path
from typing import Any, Final

import pytest

KEY: Final = "edge-segnet/calls"
"""In pytest's cache: the tests of the last whole run that called a program."""
THROUGH: Final = frozenset({"doctor", "bench", "service", "recover"})
"""Words of our own commands that call programs by name: systemd's, git, the compiler of CUDA."""
OURS: Final = "edge-segnet"
SHELLS: Final = ("sh", "bash")
_noted: set[str] = set()


def _program(name: object) -> str:
    return Path(os.fsdecode(name)).name if isinstance(name, (str, bytes, os.PathLike)) else ""


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("subprocess.Popen", "os.posix_spawn", "os.exec"):
        return
    name, words = _program(arguments[0]), arguments[1]
    given = [str(word) for word in words] if isinstance(words, (list, tuple)) else []
    if name in SHELLS and given[1:2] == ["-c"]:  # a page's line
        given = given[2].split()
        name = _program(given[0])
    if name.startswith("python") or name == OURS:
        _noted.update(THROUGH.intersection(given))
    else:
        _noted.add(name)


def watch() -> None:
    """From now on, for as long as this process lives."""
    sys.addaudithook(_audit)
    look = shutil.which

    @wraps(look)
    def which(cmd: Any, *more: Any, **named: Any) -> Any:
        _noted.add(_program(cmd))
        return look(cmd, *more, **named)

    shutil.which = which


def note(words: tuple[object, ...]) -> None:
    """A command of ours that runs where it can't be watched."""
    _noted.update(THROUGH.intersection(map(str, words)))


def taken() -> list[str]:
    """What was called since this was asked last."""
    found = sorted(_noted)
    _noted.clear()
    return found


def files(root: Path) -> list[str]:
    """Where the tests are that called something in a run before; none, where there was none."""
    noted = root / ".pytest_cache" / "v" / KEY
    names = json.loads(noted.read_text(encoding="utf-8")) if noted.is_file() else []
    return sorted({name.partition("::")[0] for name in names if (root / name.partition("::")[0]).is_file()})


class Notes:
    """A pytest plugin: keeps in the cache which tests called something, as far as they ran."""

    def __init__(self, config: pytest.Config) -> None:
        self._cache = getattr(config, "cache", None)  # none with -p no:cacheprovider
        self._found: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self._found[report.nodeid] = any(key == KEY for key, _ in report.user_properties)

    def pytest_sessionfinish(self) -> None:
        """Tests that did not run stay as they were noted."""
        if self._cache is None:
            return
        known = dict.fromkeys(self._cache.get(KEY, []), True) | self._found
        self._cache.set(KEY, sorted(name for name, calling in known.items() if calling))


def only_calling(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave those that called something in a run before; all of them, where there was none."""
    cache = getattr(config, "cache", None)
    known = set(cache.get(KEY, [])) if cache else set()
    others = [item for item in items if known and item.nodeid not in known]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in set(others)]
