"""A folder that sinks fill with files: names, which of them go, and whether the disk has room."""

from __future__ import annotations

import errno
import logging
import os
import re
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Final, Protocol

from edge_segnet.core.errors import Key, SettingsError
from edge_segnet.sinks.files.raw import is_written

logger = logging.getLogger(__name__)
MB: Final = 1_000_000
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PREFIX: Final = "edge-segnet-"
GONE: Final = {"event": "folder-gone"}


class Limits(Protocol):
    """What a section of the settings says about its files."""

    @property
    def max_mb(self) -> int: ...

    @property
    def keep_mb(self) -> int: ...

    @property
    def free_mb(self) -> int: ...


class DiskFull(Exception):
    """Why nothing can be written now; it may pass."""


def require_folder(path: Path, key: Key) -> Path:
    """The folder, made if need be; ``key`` names it in the settings.

    Raises:
        SettingsError: it can't be written to. A full disk is no mistake of the settings.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        if error.errno not in NO_ROOM:
            what = f"{path} can't be written ({error.strerror or error})"
            raise SettingsError(what, hint="name a folder that this user may write to", key=key) from error
    return path


class Retention:
    """Only files of this program, by their names, are counted and removed."""

    def __init__(self, path: Path, limits: Limits, suffix: str) -> None:
        """``suffix``: of the files, with its dot."""
        self.path = path
        self.removed = 0
        self._limits, self._suffix = limits, suffix

    def files(self) -> list[Path]:
        """The files, by name, which is by time."""
        return sorted(self.path.glob(f"{PREFIX}*{self._suffix}"))

    def require_room(self, spare: int) -> None:
        """Make the folder again if somebody removed it.

        Raises:
            DiskFull: with ``spare`` bytes more, less would be free than is to stay free.
            OSError: it can't be made, or looked at.
        """
        try:
            space = os.statvfs(self.path)
        except FileNotFoundError:
            logger.error("%s was removed, with all that was in it; it is made again", self.path, extra=GONE)
            self.path.mkdir(parents=True, exist_ok=True)
            space = os.statvfs(self.path)
        free = space.f_bavail * space.f_frsize
        if free < self._limits.free_mb * MB + spare:
            raise DiskFull(f"{self.path}: {free // MB} MB are free, {self._limits.free_mb} MB are to stay free")

    def new_file(self, label: str = "") -> Path:
        """A name that is free, once the oldest files have made way; ``label`` stands in it. Raises OSError."""
        self._make_way()
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        name = f"{PREFIX}{stamp}Z{'-' if label else ''}{re.sub(r'[^A-Za-z0-9_-]+', '-', label)[:48]}"
        names = [name, *(f"{name}.{number}" for number in range(1, 1000))]  # the clock may have been set back
        return next(path for each in names if not (path := self.path / f"{each}{self._suffix}").exists())

    def _make_way(self) -> None:
        """What is being written, by another camera or another process, stays."""
        sizes = {path: path.stat() for path in self.files()}
        allowed = (self._limits.keep_mb - self._limits.max_mb) * MB
        total = sum(facts.st_size for facts in sizes.values())
        for path in sorted(sizes, key=lambda path: (sizes[path].st_mtime_ns, path.name)):
            if total <= allowed:
                return
            if is_written(path):
                continue
            path.unlink(missing_ok=True)
            total -= sizes[path].st_size
            self.removed += 1
