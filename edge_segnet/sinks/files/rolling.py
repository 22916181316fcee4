"""One file after the other. A disk that is full or broken stops the writing, with one alarm, until it is well again.

between files --item--> writing --full, or old enough--> between files
                          `--DiskFull, OSError--> stopped: items are counted as dropped --one fits--> writing
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from edge_segnet.core.errors import OutputError
from edge_segnet.sinks.files.raw import RawFile
from edge_segnet.sinks.files.retention import MB, DiskFull, Retention
from edge_segnet.sinks.files.settings import FilesSection
from edge_segnet.sinks.files.spec import JsonLinesStatus

logger = logging.getLogger(__name__)
Item = TypeVar("Item", contravariant=True)


class OpenFile(Protocol[Item]):
    """What is being written. A ``write`` that raises leaves the file as it was before, and one that returns has given
    the item to the system: a kill does not take it.
    """

    @property
    def file(self) -> RawFile:
        """Where it goes."""
        ...

    def write(self, item: Item) -> None: ...

    def close(self) -> None:
        """Finish it; may raise OSError."""
        ...


class RollingWriter(Generic[Item]):
    """Writes items into files of limited size and time; one thread uses it, ``status`` may be asked from any.

    no file --an item--> open --too large, too old, or its end--> finished, no file
    open --the disk refuses, or the file is gone--> stopped, no file --an item that there is room for--> open
    """

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
        self._items = 0
        """In that file."""
        self.files = self.written = self.dropped = 0
        self.error: str | None = None

    def write(self, item: Item, label: str = "") -> None:
        """Write it; ``label`` stands in the name of a new file. What the disk does not take is counted."""
        try:
            self._look_for_it()
            self._shelf.require_room(self._spare)
            file = self.file or self._begin(label)
            file.write(item)
            self.written += 1
            self._items += 1
            if file.file.size >= self._full or time.monotonic() - self._since_s >= self._config.max_s:
                self.finish()
        except (DiskFull, OutputError, OSError) as error:
            self.dropped += 1
            self._stop(str(error))
        else:
            if self.error is not None:
                logger.info("%s: written again", self._name)
            self.error = None

    def _look_for_it(self) -> None:
        """Somebody may have removed the file, or its folder with it: then another one is begun."""
        if self.file is None or not self.file.file.gone:
            return
        file, self.file = self.file, None
        self.written -= self._items
        self.dropped += self._items
        what = "%s: %s was removed while it was being written, with %d results; the next file begins"
        logger.error(what, self._name, self._path, self._items, extra={"event": "file-gone"})
        file.file.close()

    def _begin(self, label: str) -> OpenFile[Item]:
        self._path = self._shelf.new_file(label)
        self.file = self._opened(self._path)
        self._since_s, self._items = time.monotonic(), 0
        self.files += 1
        return self.file

    def _stop(self, why: str) -> None:
        if self.error is None:
            logger.error("%s: nothing is written (%s)", self._name, why, extra={"event": "disk"})
        self.error = why
        with contextlib.suppress(OSError):  # the next start finishes it; the alarm has been raised
            self.finish()

    def next_file(self) -> None:
        """What comes now goes into another one."""
        try:
            self.finish()
        except OSError as error:
            self._stop(str(error))

    def finish(self) -> None:
        """End the file, if there is one; raises OSError."""
        file, self.file = self.file, None
        if file is not None:
            file.close()

    def status(self) -> JsonLinesStatus:
        """JSON-ready; ``written``: what would be found after a kill now; ``dropped``: what the disk did not take, or
        somebody removed while it was written.
        """
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


def finish_leftovers(name: str, shelf: Retention, repair: Callable[[Path], int | None]) -> None:
    """What a killed process left is finished, or removed where there is nothing in it; ``repair`` says how many items
    it has now, None where there was nothing to do.
    """
    for path in shelf.files():
        try:
            count = repair(path)
        except Exception as error:  # noqa: BLE001 - a file that can't be mended must not keep the sink from starting
            logger.warning("%s: %s broke off and can't be finished now (%s)", name, path, error)
            continue
        if count is not None:
            what = "it was finished" if count else "nothing was in it, and it was removed"
            logger.info("%s: %s broke off: %d items; %s", name, path, count, what)
