"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_segnet.errors import OutputError


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Gives a temporary path in the same folder, with the same suffix; renames it to ``path`` when the block ends
    well, removes it otherwise. Makes the folder.

    Raises:
        OutputError: the folder can't be written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=f".part{path.suffix}", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise OutputError(
            f"{path}: can't write here ({error.strerror})", hint="check the folder and its rights"
        ) from error
    beside = Path(name)
    try:
        yield beside
        umask = os.umask(0)
        os.umask(umask)
        beside.chmod(0o666 & ~umask)
        beside.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}", hint="check the disk's free space") from error
    finally:
        beside.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` with ``data``, whole or not at all; raises OutputError as ``written_beside``."""
    with written_beside(path) as beside:
        beside.write_bytes(data)
