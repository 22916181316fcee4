"""Versions of packages; ours is read once: an upgrade under a running service takes the file away that says it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final


def version_of(package: str) -> str | None:
    """None where it was not installed but only put on the path, or under another name (``onnxruntime-gpu``)."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


VERSION: Final = version_of("edge-segnet") or "unknown"
"""``unknown`` where the package was not installed but only put on the path."""
