"""A file as the system has it: no buffer of ours, whole writes or none, errors that reach the writer."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from edge_segnet.core.files import sync_folder

SYNC_S: Final = 5.0
"""Between two times that a file is forced onto the disk itself: what a power cut takes at most. Oftener wears out the
memory cards that robots have, and costs frames on them."""


class RawFile:
    """A new file that grows. It is locked, so that nobody who repairs or removes old files takes it for one of them."""

    def __init__(self, path: Path) -> None:
        """Raises OSError; FileExistsError where there is one already."""
        self.path = path
        self.size = 0
        self._file = path.open("xb", buffering=0)
        self._synced_s = time.monotonic()
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sync_folder(path.parent)

    def write(self, data: bytes) -> int:
        """Append all of it or, where that raises OSError, nothing."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self.cut(self.size)
            raise
        self.size += len(data)
        return len(data)

    def cut(self, size: int) -> None:
        """Forget what comes after ``size`` bytes; raises OSError."""
        os.ftruncate(self._file.fileno(), size)
        self._file.seek(size)
        self.size = size

    def put(self, data: bytes, place: int) -> None:
        """Write over what is there; raises OSError."""
        os.pwrite(self._file.fileno(), data, place)

    @property
    def gone(self) -> bool:
        """Whether somebody removed it: what is written now, nobody will find."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def settle(self) -> None:
        """Force it onto the disk if that is due; raises OSError."""
        if time.monotonic() - self._synced_s >= SYNC_S:
            self.sync()

    def sync(self) -> None:
        """Force it onto the disk now; may take long. Raises OSError."""
        os.fdatasync(self._file.fileno())
        self._synced_s = time.monotonic()

    def tell(self) -> int:
        """As files do."""
        return self.size

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Release it."""
        self._file.close()


def is_written(path: Path) -> bool:
    """Whether some process has it open as a ``RawFile``; a file that is gone is nobody's."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


@contextlib.contextmanager
def nobody_writes(path: Path) -> Iterator[IO[bytes] | None]:
    """Gives the file, for reading and writing, or None while somebody else has it; raises OSError."""
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield file
