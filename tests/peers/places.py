"""Programs of others that are too large for every run: ``tools/peers.sh FOLDER`` fetches them, ``make peers`` tries us
with them. ``EDGE_SEGNET_PEERS`` is the folder.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

VARIABLE: Final = "EDGE_SEGNET_PEERS"


def peer(name: str) -> Path:
    """A file below the folder; skips the test where it was not fetched."""
    folder = os.environ.get(VARIABLE)
    if not folder or not (found := Path(folder, name)).exists():
        pytest.skip(f"needs {'the folder' if name == '.' else name} of tools/peers.sh (make peers)")
    return found


def program_of(name: str, package: str) -> str:
    """A program's path; skips the test where Debian's ``package`` is not installed, and but for ``make peers``."""
    peer(".")
    if (found := shutil.which(name)) is None:
        pytest.skip(f"needs {name} (apt install {package})")
    return found
