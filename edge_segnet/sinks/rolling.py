"""One file after the other. A disk that is full or broken stops the writing, with one alarm, until it is well again."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from edge_segnet.core.errors import OutputError
from edge_segnet.settings.messages import FilesSection
from edge_segnet.sinks.retention import MB, DiskFull, Retention

logger = logging.getLogger(__name__)
Item = TypeVar("Item", contravariant=True)


class OpenFile(Protocol[Item]):
    """What is being written. A ``write`` that raises leaves the file as it was before."""

    def write(self, item: Item) -> None: ...

    @property
    def size(self) -> int:
        """Bytes so far."""
        ...

    def close(self) -> None:
        """Finish it; may raise OSError."""
        ...


class RollingWriter(Generic[Item]):
    """Writes items into files of limited size and time; one thread uses it, ``status`` may be asked from any."""

    def __init__(
        self, name: str, config: FilesSection, shelf: Retention, opened: Callable[[Path], OpenFile[Item]], spare: int
    ) -> None:
        """``name``: of the sink, for the alarm; ``opened`` makes a file; ``spare``: bytes that one item may take."""
        self._name, self._config, self._shelf, self._opened, self._spare = name, config, shelf, opened, spare
        limit = config.max_mb * MB
        self._full = limit - min(spare, limit // 4)  # with what comes on top of it, it still keeps the limit
        self.file: OpenFile[Item] | None = None
        """What is being written."""
        self._path: Path | None = None
        self._since_s = 0.0
        self.files = self.written = self.dropped = 0
        self.error: str | None = None

    def write(self, item: Item, label: str = "") -> None:
        """Write it; ``label`` stands in the name of a new file. What the disk does not take is counted."""
        try:
            self._shelf.require_room(self._spare)
            file = self.file or self._begin(label)
            file.write(item)
            self.written += 1
            if file.size >= self._full or time.monotonic() - self._since_s >= self._config.max_s:
                self.finish()
        except (DiskFull, OutputError, OSError) as error:
            self.dropped += 1
            self._stop(str(error))
        else:
            if self.error is not None:
                logger.info("%s: written again", self._name)
            self.error = None

    def _begin(self, label: str) -> OpenFile[Item]:
        self._path = self._shelf.new_file(label)
        self.file = self._opened(self._path)
        self._shelf.held.add(self._path)
        self._since_s = time.monotonic()
        self.files += 1
        return self.file

    def _stop(self, why: str) -> None:
        if self.error is None:
            logger.error("%s: nothing is written (%s)", self._name, why, extra={"event": "disk"})
        self.error = why
        with contextlib.suppress(OSError):  # its end is lost; the alarm has been raised
            self.finish()

    def finish(self) -> None:
        """End the file, if there is one; raises OSError."""
        file, self.file = self.file, None
        if file is not None and self._path is not None:
            self._shelf.held.discard(self._path)
            file.close()

    def status(self) -> dict[str, Any]:
        """JSON-ready; ``dropped``: what the disk did not take."""
        return {
            "state": "writing" if self.error is None else "stopped",
            "error": self.error,
            "queue": 0,
            "dropped": self.dropped,
            "written": self.written,
            "files": self.files,
            "removed": self._shelf.removed,
            "file": None if self.file is None else str(self._path),
        }
