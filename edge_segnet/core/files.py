"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from edge_segnet.core.errors import OutputError


def _read_umask() -> int:
    umask = os.umask(0o022)
    os.umask(umask)
    return umask


_mode = 0o666 & ~_read_umask()
"""Asked once, because asking changes it for a moment, for every thread."""
_LONGEST_STEM: Final = 32
"""A name may be as long as the file system allows; the temporary name beside it must still fit."""
_NEXT: Final = {
    errno.ENOSPC: "free some space and run it again",
    errno.EDQUOT: "free some space and run it again",
    errno.EFBIG: "the file system or 'ulimit -f' allows no larger file",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EEXIST: "a part of this path is a file, not a folder",
}


def plain_name(text: str) -> str:
    """With a dash for whatever some file system, shell or tool may not take in a name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)


def state_folder() -> Path:
    """Where what must last is kept: systemd's ``StateDirectory=``, else /var/lib/edge-segnet for root, else the user's
    own state.
    """
    if given := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/edge-segnet")
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111 - as cache_folder
    return Path(base) / "edge-segnet"


def keep_private() -> None:
    """From here on nobody but the owner and the group may read what this process writes: pictures show people."""
    global _mode
    os.umask(_read_umask() | 0o027)
    _mode &= 0o640


def open_file(path: Path) -> BinaryIO:
    """A regular file, to be read.

    A pipe or a device is refused: the one may never have a writer, the other (/dev/zero) never an end.

    Raises:
        OSError: it can't be read; its ``strerror`` says why.
    """
    try:
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    except ValueError as error:  # a zero byte or half a surrogate in its name
        raise OSError(errno.EINVAL, "no name that a file can have") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "a pipe or a device, not a file")
    return file


def read_file(path: Path, limit: int) -> bytes:
    """The whole of a regular file with at most ``limit`` bytes; raises OSError as ``open_file``."""
    with open_file(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"more than {limit} bytes, too many for what it is to be")
    return data


def cache_folder() -> Path | None:
    """Where what can be made again is kept: systemd's ``CacheDirectory=``, or the user's cache; made if missing.
    None where it can't be written, then things are made again.
    """
    given = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - "~" stays if unknown
    folder = Path(given) if given else Path(base) / "edge-segnet"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def output_error(path: Path | str, error: OSError) -> OutputError:
    """Why ``path`` can't be written, and what to do about it."""
    hint = _NEXT.get(error.errno or 0, "check the folder and its rights")
    return OutputError(f"{path}: can't be written ({error.strerror or error})", hint=hint)


@contextmanager
def written_beside(path: Path, mode: int | None = None) -> Iterator[Path]:
    """Gives a temporary path in the same folder, with the same suffix; renames it to ``path`` when the block ends
    well, removes it otherwise. Makes the folder, follows a symbolic link, and gives ``path`` itself where that is a
    device or a pipe (``/dev/null``, ``/dev/stdout``).

    Raises:
        OutputError: the folder can't be written, or the disk is full.
    """
    beside: Path | None = None
    try:
        if _is_device(path):
            yield path
            return
        target = path.resolve() if path.is_symlink() else path
        target.parent.mkdir(parents=True, exist_ok=True)
        name = f".{target.stem[:_LONGEST_STEM]}."
        handle, name = tempfile.mkstemp(prefix=name, suffix=f".part{target.suffix}", dir=target.parent)
        os.close(handle)
        beside = Path(name)
        yield beside
        beside.chmod(_mode if mode is None else mode)
        beside.replace(target)
    except BrokenPipeError:
        raise  # whoever read our standard output has gone: no fault of this file
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def _is_device(path: Path) -> bool:
    """Whether ``path`` is there but is neither a file nor a folder: replacing it would destroy it."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return not stat.S_ISREG(mode)


def sync_folder(folder: Path) -> None:
    """A new file's name, too, must outlive a power cut; file systems that can't do that don't need it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_bytes(path: Path, data: bytes, mode: int | None = None) -> None:
    """Replace ``path`` with ``data``, whole or not at all; raises OutputError as ``written_beside``."""
    with written_beside(path, mode) as beside:
        beside.write_bytes(data)


def write_durably(path: Path, data: bytes, mode: int | None = None) -> None:
    """As ``write_bytes``, and it outlives a power cut when this returns."""
    with written_beside(path, mode) as beside, beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)
