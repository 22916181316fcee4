"""The folder of recordings: one file after the other, and those that broke off."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import OutputError
from edge_segnet.settings.schema import RecordingConfig
from edge_segnet.sinks.messages import Message
from edge_segnet.sinks.recording.mcap_file import CHUNK, McapFile, is_whole, repair
from edge_segnet.sinks.retention import MB, NO_ROOM, DiskFull, Retention

logger = logging.getLogger(__name__)
FLUSH_S, SYNC_S = 1.0, 5.0
"""What a killed process loses at most, and what a power cut does."""
SPARE: Final = 2 * CHUNK
"""Bytes that a file may grow by before the disk's room is looked at again, its index included."""


class Folder:
    """Writes messages into one file after the other."""

    def __init__(self, path: Path, config: RecordingConfig, metadata: Callable[[], Mapping[str, str]]) -> None:
        """``metadata`` gives what stands at the head of a new file."""
        self.shelf = Retention(path, config, ".mcap")
        self.files = 0
        self._config, self._metadata = config, metadata
        self._file: McapFile | None = None
        self._opened_s = self._flushed_s = self._synced_s = 0.0

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
        if now_s - self._synced_s >= SYNC_S:
            file.sync()
            self._synced_s = now_s
        if file.size >= self._config.max_mb * MB or now_s - self._opened_s >= self._config.max_s:
            self.finish()

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
        self._file = McapFile(self.shelf.new_file(label), self._metadata())
        self._opened_s = self._flushed_s = self._synced_s = time.monotonic()
        self.files += 1
        return self._file

    def repair(self) -> None:
        """Complete what a killed process left; what can't be completed now stays readable to its last chunk."""
        for orphan in self.shelf.path.glob(".edge-segnet-*.part.mcap"):
            orphan.unlink(missing_ok=True)
        for path in self.shelf.files():
            try:
                if not is_whole(path) and (count := repair(path)):
                    logger.info("%s broke off; %d messages of it are kept", path, count)
            except (OutputError, OSError) as error:
                logger.warning("%s broke off and can't be completed now (%s)", path, error)
