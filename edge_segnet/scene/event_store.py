"""The event log's files: a line of JSON per event, a JPEG per snapshot. Written by one thread."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, Final

from edge_segnet.core.errors import OutputError
from edge_segnet.core.files import sync_folder, write_bytes, written_beside

logger = logging.getLogger(__name__)
LOG: Final = "events.jsonl"
MAX_BYTES: Final = 16 * 1024 * 1024
"""Of the log when it is read: many times what ``keep`` events take."""
IN_MEMORY: Final = 50
"""Snapshots that are kept where there is no disk for them."""


class EventStore:
    """``folder/events.jsonl`` and ``folder/ID.jpg``; without a folder, or while it can't be written, memory."""

    def __init__(self, folder: Path | None, keep: int) -> None:
        self.error: str | None = None
        """Why events are not on disk now."""
        self._folder, self._keep = folder, keep
        self._file: IO[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._lines = 0
        self._warned = False
        self._pictures: dict[str, bytes] = {}
        if folder is not None:
            try:
                folder.mkdir(0o750, parents=True, exist_ok=True)  # it holds pictures of people, too
                self._lock = (folder / ".lock").open("wb")
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._give_up("another process writes there")
            except OSError as error:
                self._give_up(error.strerror or str(error))

    def _give_up(self, why: str) -> None:
        self.error, self._folder = f"{self._folder}: {why}", None

    def documents(self) -> list[dict[str, Any]]:
        """What is on disk, oldest first; a line that was cut off by a crash, or is no JSON object, is left out."""
        if self._folder is None:
            return []
        try:
            with (self._folder / LOG).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - MAX_BYTES))
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            self._give_up(error.strerror or str(error))
            return []
        found = [document for line in lines if (document := _parsed(line)) is not None]
        if len(found) < sum(map(bool, lines)):
            logger.warning("%s: a damaged line was left out", self._folder / LOG)
        return found

    def append(self, document: dict[str, Any] | None, everything: Callable[[], Iterable[dict[str, Any]]]) -> None:
        """Write an event through to the disk. ``everything``: all events to keep, this one included, for when the
        file is written anew: at the start, when it has grown, and after a fault (``document`` None: only then).
        """
        if self._folder is None:
            if self.error is not None and not self._warned:
                logger.warning("events are kept in memory only (%s)", self.error, extra={"event": "events-memory"})
                self._warned = True
            return
        try:
            self._look_for_it(self._folder)
            if document is None or self._file is None or self._lines >= 2 * self._keep:
                self._rewrite(self._folder / LOG, list(everything()))
            else:
                self._file.write(_line(document))
                self._through(self._file)
                self._lines += 1
        except (OSError, OutputError) as error:
            self._release()
            why = error.message if isinstance(error, OutputError) else error.strerror or str(error)
            if self.error is None:
                logger.error("events can't be written, and are kept in memory: %s", why, extra={"event": "events-disk"})
            self.error = why
        else:
            if self.error is not None:
                logger.info("events are written again", extra={"event": "events-disk-back"})
            self.error = None

    @property
    def waits(self) -> bool:
        """Whether the disk did not take what is kept, and may take it later."""
        return self.error is not None and self._folder is not None

    def _look_for_it(self, folder: Path) -> None:
        """Somebody may have removed the file, or the state folder with it: all that is kept is written anew."""
        if self._file is None or os.fstat(self._file.fileno()).st_nlink:
            return
        what = "%s was removed while it was in use; the events that are kept are written again"
        logger.error(what, folder / LOG, extra={"event": "events-gone"})
        self._release()
        folder.mkdir(0o750, parents=True, exist_ok=True)
        if self._lock is not None and not os.fstat(self._lock.fileno()).st_nlink:
            self._lock.close()
            self._lock = (folder / ".lock").open("wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _rewrite(self, path: Path, documents: list[dict[str, Any]]) -> None:
        self._release()
        with written_beside(path) as beside, beside.open("wb") as file:
            file.writelines(map(_line, documents))
            self._through(file)
        sync_folder(path.parent)
        self._file, self._lines = path.open("ab"), len(documents)

    @staticmethod
    def _through(file: IO[bytes]) -> None:
        file.flush()
        os.fsync(file.fileno())

    def keep(self, name: str, data: bytes) -> bool:
        """Keep a snapshot; False if there is no space for it."""
        if self._folder is None:
            self._pictures[name] = data
            while len(self._pictures) > IN_MEMORY:
                del self._pictures[next(iter(self._pictures))]
            return True
        try:
            write_bytes(self._folder / name, data)
        except OutputError:
            return False
        return True

    def snapshot(self, name: str) -> bytes | None:
        """A snapshot's bytes."""
        if self._folder is None:
            return self._pictures.get(name)
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            return None

    def forget(self, name: str) -> None:
        """Remove a snapshot."""
        if self._folder is None:
            self._pictures.pop(name, None)
            return
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s: can't be removed (%s)", self._folder / name, error.strerror or error)

    def keep_snapshots(self, names: set[str]) -> None:
        """Remove every other picture: an earlier run may have died before it wrote its event."""
        if self._folder is not None:
            for path in [*self._folder.glob("*.jpg"), *self._folder.glob(".*.part*")]:
                if path.name not in names:
                    self.forget(path.name)

    def _release(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # what was still buffered is written anew
                self._file.close()
            self._file = None

    def close(self) -> None:
        """Release the files."""
        self._release()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except Exception:  # noqa: BLE001 - whatever stands there after a crash; nesting gives RecursionError
        return None
    return found if isinstance(found, dict) else None
