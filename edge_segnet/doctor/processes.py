"""Which process has a file or a socket open?"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_segnet.doctor.place import Place, read_text

WORDS: Final = 3
"""``python -m edge_segnet`` has its name in the third."""


@dataclass(frozen=True)
class Process:
    """``words``: the first ones of its command line; not all of it, as arguments may be secrets."""

    pid: int
    words: str

    @property
    def own(self) -> bool:
        """Whether it is this program, as a service or by hand."""
        return re.search(r"\bedge[-_]segnet\b", self.words) is not None

    def __str__(self) -> str:
        program, _, more = self.words.partition(" ")
        return f"process {self.pid} ({f'{Path(program).name} {more}'.strip()[:48]})"


def holder(place: Place, is_it: Callable[[str], bool]) -> Process | None:
    """The first process with an open handle that ``is_it`` takes for the one (``socket:[123]``, ``/dev/video0``); None:
    nobody, or a process of another user, whose handles only root sees. This process does not count.
    """
    for folder in place.glob("/proc/[0-9]*"):
        if int(folder.name) != os.getpid() and any(map(is_it, _handles(folder))):
            words = " ".join(read_text(folder / "cmdline").split("\0")[:WORDS])
            return Process(int(folder.name), words or read_text(folder / "comm"))
    return None


def _handles(folder: Path) -> list[str]:
    try:
        handles = list((folder / "fd").iterdir())
    except OSError:  # another user's, or gone meanwhile
        return []
    return [target for handle in handles if (target := _target(handle))]


def _target(handle: Path) -> str:
    try:
        return str(handle.readlink())
    except OSError:
        return ""
