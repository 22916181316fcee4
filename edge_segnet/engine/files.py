"""An engine's files: read with every suspicion, replaced together or not at all.

Replacing is a journal. New files are written as ``NAME.next.*``, the manifest last; once it is there, all are renamed,
the manifest last again. Killed before it is there, the old engine stands and the leftovers go; killed after it,
``recover`` finishes the renaming.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import ModelError
from edge_segnet.core.files import output_error
from edge_segnet.engine.manifest import manifest_path

MODE: Final = 0o644
"""Everybody may read an engine; who may write one could have code run here."""
MAX_BYTES: Final = 2**32
"""No engine of this family is near it; a device or a hole is."""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_trusted(path: Path) -> bytes:
    """A whole file that only root or this user can have written.

    Raises:
        ModelError: it is missing, no plain file, or somebody else could have written it.
    """
    try:
        # Opened once: what is checked here is what is returned. Not through a link, and never waiting for a pipe.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ModelError(f"{path}: {_why(error)}", hint="build it with: edge-segnet build-engine") from error
    try:
        _check_owner(path, os.fstat(handle))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read()
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror})", hint="is the disk failing?") from error
    finally:
        os.close(handle)


def _check_owner(path: Path, facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_BYTES:
        raise ModelError(f"{path}: not a plain file", hint="build the engine again")
    if facts.st_uid not in (0, os.geteuid()):
        raise ModelError(
            f"{path}: belongs to user {facts.st_uid}, neither to root nor to the user who loads it",
            hint="an engine is native code: build it as the user who runs it, or as root",
        )
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ModelError(
            f"{path}: others than its owner may write it (mode {stat.S_IMODE(facts.st_mode):o})",
            hint="an engine is native code; if you trust this one: chmod go-w on it and its neighbours",
        )


def _why(error: OSError) -> str:
    return "a symbolic link" if error.errno == errno.ELOOP else error.strerror or str(error)


def check_folder(folder: Path) -> None:
    """Raises ModelError: anybody could put other files in the place of these."""
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise ModelError(
            f"{folder}: anybody may write this folder (mode {stat.S_IMODE(mode):o})",
            hint=f"engines are native code: chmod o-w {folder}",
        )


def _staged(engine: Path) -> Path:
    """``NAME.engine`` -> ``NAME.next.engine``"""
    return engine.with_name(f"{engine.stem}.next{engine.suffix}")


def replace_all(engine: Path, contents: Mapping[Path, bytes], manifest: bytes) -> None:
    """Put ``contents`` and the manifest in the place of an engine's files, all of them or none.

    Args:
        engine: ``NAME.engine``.
        contents: target path -> bytes; every path is the engine's with another suffix.
        manifest: bytes of ``NAME.json``.

    Raises:
        OutputError: the folder can't be written, or the disk is full; the old files stand.
    """
    staged = _staged(engine)
    try:
        for path, data in contents.items():
            _write(_beside(path, engine), data)
        _write(manifest_path(staged), manifest)  # from here on the new engine counts
    except OSError as error:
        _remove_staged(engine)
        raise output_error(engine, error) from error
    recover(engine)


def _beside(path: Path, engine: Path) -> Path:
    return path.with_name(f"{engine.stem}.next{path.name.removeprefix(engine.stem)}")


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        os.fchmod(file.fileno(), MODE)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _remove_staged(engine: Path) -> None:
    for path in _list_staged(engine):
        path.unlink(missing_ok=True)


def _list_staged(engine: Path) -> list[Path]:
    start = f"{engine.stem}.next."
    return [path for path in engine.parent.iterdir() if path.name.startswith(start)]


def recover(engine: Path) -> bool:
    """Finish or undo a replacement that was cut off; True if it was finished. Only under the lock.

    Raises:
        OutputError: the folder can't be written.
    """
    try:
        if not engine.parent.is_dir() or not (waiting := _list_staged(engine)):
            return False
        journal = manifest_path(_staged(engine))
        if journal not in waiting:
            _remove_staged(engine)
            return False
        for path in sorted(waiting, key=lambda path: path == journal):
            path.replace(path.with_name(engine.stem + path.name.removeprefix(f"{engine.stem}.next")))
        folder = os.open(engine.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        raise output_error(engine, error) from error
    return True


def finish(engine: Path) -> None:
    """What a loader does about a replacement that was cut off: finish it, but never undo what a builder is doing.

    Raises:
        OutputError: the folder can't be written.
    """
    if manifest_path(_staged(engine)).exists():
        with locked(engine):
            recover(engine)


@contextmanager
def locked(engine: Path) -> Iterator[None]:
    """One builder at a time for one engine; a second one waits.

    Raises:
        OutputError: the folder can't be made or written.
    """
    path = engine.with_name(f".{engine.stem}.lock")
    try:
        engine.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise output_error(engine, error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
