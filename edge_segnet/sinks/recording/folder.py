"""The folder of recordings: one file after the other, and those that broke off."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from edge_segnet.sinks.files.retention import MB, NO_ROOM, DiskFull, Retention
from edge_segnet.sinks.files.rolling import finish_leftovers
from edge_segnet.sinks.messages import Message
from edge_segnet.sinks.recording.mcap_file import CHUNK, McapFile, is_whole, repair
from edge_segnet.sinks.recording.settings import RecordingConfig

logger = logging.getLogger(__name__)
FLUSH_S: Final = 1.0
"""What a killed process loses at most, and what is not counted as written before; of a power cut, see ``RawFile``."""
LOOSE: Final = 2 * CHUNK
"""Bytes of a file that was killed before its first chunk was whole, at most."""
SPARE: Final = 2 * CHUNK
"""Bytes that a file may grow by before the disk's room is looked at again, its index included."""


class Folder:
    """Writes messages into one file after the other."""

    def __init__(self, path: Path, config: RecordingConfig, metadata: Callable[[], Mapping[str, str]]) -> None:
        """``metadata`` gives what stands at the head of a new file."""
        self.shelf = Retention(path, config, ".mcap")
        self.files = 0
        self.lost = 0
        """Messages that were counted as written, in files that somebody removed while they grew."""
        self._config, self._metadata = config, metadata
        self._profile = "ros2" if config.message_schema == "ros2" else ""
        self._file: McapFile | None = None
        self._opened_s = self._flushed_s = 0.0

    @property
    def open_file(self) -> Path | None:
        """What is being written."""
        file = self._file
        return None if file is None else file.path

    @property
    def safe(self) -> bool:
        """Whether all that was written would outlive this process."""
        return self._file is None or self._file.loose == 0

    def write(self, messages: list[Message], label: str) -> None:
        """Write messages, into a new file if there is none, or the last one is full; ``label`` stands in its name.

        Raises:
            DiskFull: there is no room. What was not ``safe`` before is not in the file.
            OSError: another fault of the disk; the same holds.
        """
        try:
            self._look_for_it()
            self._require_room()
            file = self._file or self._open(label)
            for message in messages:
                file.write(message)
            self._settle(file)
        except Exception as error:
            self._abandon()
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise DiskFull(f"{self.shelf.path}: {error.strerror or error}") from error
            raise

    def _require_room(self) -> None:
        try:
            self.shelf.require_room(SPARE)
        except DiskFull:
            self.finish()  # while there is still room for its index
            raise

    def _settle(self, file: McapFile) -> None:
        now_s = time.monotonic()
        if file.loose > CHUNK or now_s - self._flushed_s >= FLUSH_S:
            file.flush()
            self._flushed_s = now_s
        file.settle()
        if file.size >= self._config.max_mb * MB or now_s - self._opened_s >= self._config.max_s:
            self.finish()

    def _look_for_it(self) -> None:
        """Somebody may have removed the file, or its folder with it: then another one is begun."""
        file = self._file
        if file is None or not file.gone:
            return
        self._file = None
        self.lost += file.messages
        what = "recording: %s was removed while it was being written, with %d messages; the next file begins"
        logger.error(what, file.path, file.messages, extra={"event": "file-gone"})
        file.abandon()

    def flush(self) -> None:
        """Let nothing wait in memory while no message comes; raises OSError."""
        if self._file is not None:
            self._settle(self._file)

    def finish(self) -> None:
        """End the file, if there is one; raises OSError."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.finish()
        except OSError:
            file.abandon()
            raise

    def _abandon(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.abandon()

    def _open(self, label: str) -> McapFile:
        self._file = McapFile(self.shelf.new_file(label), self._metadata(), self._profile)
        self._opened_s = self._flushed_s = time.monotonic()
        self.files += 1
        return self._file

    def repair(self) -> None:
        """Complete what a killed process left; what can't be completed now stays readable to its last chunk."""
        for orphan in self.shelf.path.glob(".edge-segnet-*.part.mcap"):
            orphan.unlink(missing_ok=True)
        finish_leftovers("recording", self.shelf, self._repaired)

    @staticmethod
    def _repaired(path: Path) -> int | None:
        if is_whole(path):
            return None
        count = repair(path)
        if count == 0 and path.stat().st_size > LOOSE:
            raise OSError("no message in it can be read")  # somebody may know how; it is not ours to throw away
        if count == 0:
            path.unlink()
        return count
