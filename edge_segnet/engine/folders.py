"""Where engines lie. Imports nothing that only who has one needs."""

from __future__ import annotations

from pathlib import Path

from edge_segnet.core.files import state_folder


def engine_folders() -> tuple[Path, ...]:
    """Where engines are looked for, in order: the service's state, then here."""
    return state_folder() / "engines", Path("engines")
