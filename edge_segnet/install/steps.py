"""What an installation does: steps that say what they will do, do it, and know the way back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from edge_segnet.core.errors import OutputError
from edge_segnet.core.files import output_error
from edge_segnet.install.former import FORMER

Verdict = Literal["new", "same", "replaced", "kept"]
NEW: Final = ".new"
"""Added to the name of a file that is laid beside the user's own; neither systemd nor the service reads such a name."""


@dataclass(frozen=True)
class Step:
    """``do`` changes something and pushes the way back onto the stack that it is given."""

    text: str
    do: Callable[[ExitStack], None]


@dataclass
class Record:
    """SHA-256 of every file that was laid here, by path: who changed one since then wants to keep it."""

    path: Path
    hashes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Record:
        """The record of the installation before; an empty one where there is none, or a damaged one."""
        try:
            data: Any = json.loads(path.read_text(encoding="utf-8"))
            hashes = {str(name): str(value) for name, value in data["files"].items()}
        except (FileNotFoundError, ValueError, KeyError, AttributeError, TypeError):
            hashes = {}
        return cls(path, hashes)

    def write(self) -> None:
        """For the next time."""
        text = json.dumps({"version": 1, "files": dict(sorted(self.hashes.items()))}, indent=1)
        replace(self.path, (text + "\n").encode(), 0o600)

    def judge(self, path: Path, content: bytes) -> Verdict:
        """What becomes of ``path`` if ``content`` is to lie there."""
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            return "kept" if path.is_symlink() else "new"
        if found == content:
            return "same"
        return "replaced" if self.ours(path, found) else "kept"

    def ours(self, path: Path, found: bytes) -> bool:
        """Whether a file is as some installation of ours left it."""
        told = digest(found)
        return self.hashes.get(str(path)) == told or told in FORMER.get(path.name, ())


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def replace(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and on the disk; raises OutputError."""
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(mode)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise output_error(path, error) from error


def lay(path: Path, content: bytes, record: Record, mode: int = 0o644) -> list[Step]:
    """The step that puts ``content`` there, or beside what the user made of it; none where it lies there already."""
    verdict = record.judge(path, content)
    if verdict == "same":
        record.hashes[str(path)] = digest(content)
        return []
    target = path.with_name(path.name + NEW) if verdict == "kept" else path
    if verdict == "kept" and _holds(target, content):
        return []
    texts = {
        "new": f"write {path}",
        "replaced": f"replace {path} by the one of this version",
        "kept": f"keep {path}, which was changed by hand, and lay this version's beside it: {target}",
    }

    def do(undo: ExitStack) -> None:
        undo.callback(way_back(target))
        replace(target, content, mode)
        if verdict != "kept":
            record.hashes[str(path)] = digest(content)

    return [Step(texts[verdict], do)]


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def way_back(path: Path) -> Callable[[], None]:
    """Call it to have the file as it is now, absence and the absence of its folders included."""
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        content, mode = path.read_bytes(), path.stat().st_mode & 0o7777
    except FileNotFoundError:

        def remove() -> None:
            path.unlink(missing_ok=True)
            for folder in missing:
                with contextlib.suppress(OSError):
                    folder.rmdir()

        return remove
    return lambda: replace(path, content, mode)


def link(path: Path, target: Path) -> list[Step]:
    """The step that makes a symbolic link; none where anything lies there already."""
    if path.is_symlink() and path.readlink() == target:
        return []
    if os.path.lexists(path):
        return []

    def do(undo: ExitStack) -> None:
        undo.callback(lambda: path.unlink(missing_ok=True))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)
        except OSError as error:
            raise output_error(path, error) from error

    return [Step(f"link {path} to {target}", do)]


def remove_tree(path: Path) -> None:
    """A folder with all that is in it, or a file; raises OutputError. Nothing there is fine."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: can't be removed ({error.strerror or error})", hint="remove it by hand") from error
