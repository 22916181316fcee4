"""Our version, read once: an upgrade under a running service takes the file away that says it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final


def _read() -> str:
    try:
        return version("edge-segnet")
    except PackageNotFoundError:
        return "unknown"


VERSION: Final = _read()
"""``unknown`` where the package was not installed but only put on the path."""
