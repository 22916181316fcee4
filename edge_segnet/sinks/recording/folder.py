"""The folder of recordings: names, when a file is full, which files go, and whether the disk has room."""

from __future__ import annotations

import errno
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from edge_segnet.config import RecordingConfig
from edge_segnet.errors import ConfigError, OutputError
from edge_segnet.files import state_folder
from edge_segnet.sinks.messages import Message
from edge_segnet.sinks.recording.mcap_file import CHUNK, McapFile, is_whole, repair

logger = logging.getLogger(__name__)
MB: Final = 1_000_000
PATTERN: Final = "edge-segnet-*.mcap"
FLUSH_S, SYNC_S = 1.0, 5.0
"""What a killed process loses at most, and what a power cut does."""
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def folder_of(config: RecordingConfig) -> Path:
    """Where the files go; made if need be.

    Raises:
        ConfigError: it can't be written to. A full disk is no mistake of the settings.
    """
    path = state_folder() / "recordings" if config.path is None else config.path
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        if error.errno not in NO_ROOM:
            what = f"recording.path: {path} can't be written ({error.strerror or error})"
            raise ConfigError(what, hint="name a folder that this user may write to") from error
    return path


class DiskFull(Exception):
    """Why nothing can be written now; it may pass."""


class Folder:
    """Writes messages into one file after the other."""

    def __init__(self, path: Path, config: RecordingConfig, metadata: Callable[[], Mapping[str, str]]) -> None:
        self.path = path
        self._config, self._metadata = config, metadata
        self._file: McapFile | None = None
        self._opened_s = self._flushed_s = self._synced_s = 0.0
        self.files = self.removed = 0

    @property
    def open_file(self) -> Path | None:
        """What is being written."""
        return None if self._file is None else self._file.path

    def write(self, messages: list[Message], label: str) -> None:
        """Write messages, into a new file if there is none, or the last one is full; ``label`` stands in its name.

        Raises:
            DiskFull: there is no room; whole chunks of before are safe.
            OSError: another fault of the disk; the same holds.
        """
        try:
            self._require_room()
            file = self._file or self._open(label)
            for message in messages:
                file.write(message)
            self._settle(file)
        except OSError as error:
            self._abandon()
            if error.errno in NO_ROOM:
                raise DiskFull(error.strerror or str(error)) from error
            raise

    def _settle(self, file: McapFile) -> None:
        now_s = time.monotonic()
        if now_s - self._flushed_s >= FLUSH_S:
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
        self._make_room()
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        name = f"edge-segnet-{stamp}Z{'-' if label else ''}{re.sub(r'[^A-Za-z0-9_-]+', '-', label)[:48]}"
        self._file = McapFile(self._free_name(name), self._metadata())
        self._opened_s = self._flushed_s = self._synced_s = time.monotonic()
        self.files += 1
        return self._file

    def _free_name(self, name: str) -> Path:
        """The clock may have been set back."""
        names = [name, *(f"{name}.{number}" for number in range(1, 100))]
        return next(path for each in names if not (path := self.path / f"{each}.mcap").exists())

    def _require_room(self) -> None:
        space = os.statvfs(self.path)
        free = space.f_bavail * space.f_frsize
        if free < self._config.free_mb * MB + CHUNK:
            if self._file is not None:
                self.finish()
            raise DiskFull(f"{free // MB} MB are free, {self._config.free_mb} MB are to stay free")

    def _make_room(self) -> None:
        """Remove the oldest files, so that with another full one all keep within their limit."""
        sizes = {path: path.stat() for path in self.path.glob(PATTERN)}
        allowed = (self._config.keep_mb - self._config.max_mb) * MB
        total = sum(facts.st_size for facts in sizes.values())
        for path in sorted(sizes, key=lambda path: (sizes[path].st_mtime_ns, path.name)):
            if total <= allowed:
                return
            path.unlink(missing_ok=True)
            total -= sizes[path].st_size
            self.removed += 1

    def repair(self) -> None:
        """Complete what a killed process left; what can't be completed now stays readable to its last chunk."""
        for orphan in self.path.glob(".edge-segnet-*.part.mcap"):
            orphan.unlink(missing_ok=True)
        for path in sorted(self.path.glob(PATTERN)):
            try:
                if not is_whole(path):
                    logger.info("%s broke off; %d messages of it are kept", path, repair(path))
            except (OutputError, OSError) as error:
                logger.warning("%s broke off and can't be completed now (%s)", path, error)
