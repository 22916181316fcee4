"""Every result as a line of JSON, in files that follow each other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from edge_segnet.core.documents import result_document
from edge_segnet.core.files import state_folder
from edge_segnet.core.pace import RateLimiter
from edge_segnet.core.types import Result
from edge_segnet.sinks import Service
from edge_segnet.sinks.files.raw import RawFile, nobody_writes
from edge_segnet.sinks.files.retention import Retention, require_folder
from edge_segnet.sinks.files.rolling import RollingWriter, finish_leftovers
from edge_segnet.sinks.files.settings import JsonLinesConfig
from edge_segnet.sinks.files.spec import JsonLinesStatus

SPARE: Final = 65_536
"""Bytes; a line has a few thousand at most."""


class JsonLinesSink:
    """Whole lines only, whatever happens: a file can be read while it grows, and after a crash."""

    def __init__(self, config: JsonLinesConfig, _service: Service) -> None:
        """Raises SettingsError: the folder can't be written."""
        folder = require_folder(config.path or state_folder() / "results", ("jsonl", "path"))
        self._shelf = Retention(folder, config, ".jsonl")
        self._turns = RateLimiter(config.rate)
        self._files: RollingWriter[bytes] = RollingWriter("jsonl", config, self._shelf, LinesFile, SPARE)

    def start(self) -> None:
        """What was left is finished; the first file is begun by the first result."""
        finish_leftovers("jsonl", self._shelf, repair)

    def publish(self, result: Result) -> None:
        """Write it, if it is its camera's turn."""
        if not self._turns.mine(result.frame.camera):
            return
        self._files.write(result_document(result).to_json() + b"\n")

    def status(self) -> JsonLinesStatus:
        """As ``RollingWriter``."""
        return self._files.status()

    def close(self) -> None:
        """End the file."""
        self._files.finish()


class LinesFile:
    """A line is in the file as a whole or not at all, also where the disk ends in its middle."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self.file = RawFile(path)

    def write(self, item: bytes) -> None:
        """Append a line; raises OSError."""
        self.file.write(item)
        self.file.settle()

    def close(self) -> None:
        """End it; one without a line is not kept. Raises OSError."""
        try:
            if self.file.size == 0:
                self.file.path.unlink(missing_ok=True)
            self.file.sync()
        finally:
            self.file.close()


def repair(path: Path) -> int | None:
    """Cut what stands after the last whole line (after a power cut, or zeros); as ``finish_leftovers`` wants it.

    Raises:
        OSError: the disk does not let it.
    """
    with nobody_writes(path) as file:
        if file is None:
            return None
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - SPARE))
        tail = file.read()
        whole = size - len(tail) + tail.rfind(b"\n") + 1
        if size and tail.endswith(b"\n"):
            return None
        if b"\n" not in tail:
            path.unlink()
            return 0
        file.truncate(whole)
        file.seek(0)
        return sum(1 for _ in file)
