"""Engines that this user has built: an engine is native code, and one that lies in some folder may be anybody's.

``trusted-engines`` in the state folder has a line for each: the SHA-256 of its manifest, which has those of all its
files, and where it was built. Engines in the state folder itself need none, nor those that are named by their path.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import ModelError, OutputError
from edge_segnet.core.files import state_folder, write_bytes
from edge_segnet.engine.files import read_trusted
from edge_segnet.engine.manifest import manifest_path

logger = logging.getLogger(__name__)
_MOST: Final = 1000
"""Lines that are kept; the oldest go first."""


def list_path() -> Path:
    """The list's file."""
    return state_folder() / "trusted-engines"


def is_own(engine: Path) -> bool:
    """Whether an engine lies in the state folder, where only this user or root puts engines."""
    return engine.absolute().parent == (state_folder() / "engines").absolute()


def is_trusted(engine: Path) -> bool:
    """Whether this user has built the engine; its files are not looked at."""
    if is_own(engine):
        return True
    try:
        digest = hashlib.sha256(read_trusted(manifest_path(engine))).hexdigest()
        lines = read_trusted(list_path()).decode("utf-8", "replace").splitlines()
    except ModelError:
        return False
    return any(line.partition(" ")[0] == digest for line in lines)


def remember(engine: Path) -> None:
    """Add an engine that was just built; a folder that can't be written is a warning."""
    if is_own(engine):
        return
    path = list_path()
    try:
        known = read_trusted(path).decode("utf-8", "replace").splitlines()
    except ModelError:
        known = []
    try:
        digest = hashlib.sha256(read_trusted(manifest_path(engine))).hexdigest()
        lines = [*(line for line in known if line.partition(" ")[0] != digest), f"{digest} {engine.absolute()}"]
        write_bytes(path, ("\n".join(lines[-_MOST:]) + "\n").encode(), 0o600)
    except (OutputError, ModelError) as error:
        logger.warning("%s is not remembered as built here, so name it by its path: %s", engine, error)
