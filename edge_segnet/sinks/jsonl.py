"""Every result as a line of JSON, in files that follow each other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from edge_segnet.core.documents import result_document
from edge_segnet.core.files import state_folder
from edge_segnet.core.pace import RateLimiter
from edge_segnet.core.types import Result
from edge_segnet.settings.messages import JsonLinesConfig
from edge_segnet.sinks import Service
from edge_segnet.sinks.retention import Retention, require_folder
from edge_segnet.sinks.rolling import RollingWriter

SPARE: Final = 65_536
"""Bytes; a line has a few thousand at most."""


class JsonLinesSink:
    """Whole lines only, whatever happens: a file can be read while it grows, and after a crash."""

    def __init__(self, config: JsonLinesConfig, _service: Service) -> None:
        """Raises SettingsError: the folder can't be written."""
        shelf = Retention(
            require_folder(config.path or state_folder() / "results", ("jsonl", "path")), config, ".jsonl"
        )
        self._turns = RateLimiter(config.rate)
        self._files: RollingWriter[bytes] = RollingWriter("jsonl", config, shelf, LinesFile, SPARE)

    def start(self) -> None:
        """The first file is begun by the first result."""

    def publish(self, result: Result) -> None:
        """Write it, if it is its camera's turn."""
        if not self._turns.mine(result.frame.camera):
            return
        self._files.write(result_document(result).to_json() + b"\n")

    def status(self) -> dict[str, Any]:
        """As ``RollingWriter``."""
        return self._files.status()

    def close(self) -> None:
        """End the file."""
        self._files.finish()


class LinesFile:
    """A line is in the file as a whole or not at all, also where the disk ends in its middle."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._file = path.open("xb", buffering=0)
        self.size = 0

    def write(self, item: bytes) -> None:
        """Append a line; raises OSError."""
        try:
            rest = memoryview(item)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            os.ftruncate(self._file.fileno(), self.size)
            self._file.seek(self.size)
            raise
        self.size += len(item)

    def close(self) -> None:
        """End it; one without a line is not kept."""
        self._file.close()
        if self.size == 0:
            Path(self._file.name).unlink(missing_ok=True)
