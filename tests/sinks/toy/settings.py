"""What may stand in its section."""

from __future__ import annotations

from edge_segnet.settings.sections import FilePath, Section


class ToyConfig(Section):
    """A file that gets a word per result."""

    path: FilePath
    word: str = "seen"
    free_mb: int = 1
