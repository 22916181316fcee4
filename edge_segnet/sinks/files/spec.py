"""JSON lines and videos, for ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.files.settings import JsonLinesConfig, VideoConfig
from edge_segnet.sinks.spec import SinkSpec, SinkStatus


class FilesStatus(SinkStatus, total=False):
    """What ``/api/status`` shows of it."""

    written: int
    """What would be found after a kill now."""
    files: int
    removed: int


class JsonLinesStatus(FilesStatus, total=False):
    """The same, of its one file at a time."""

    file: str | None


class VideoStatus(FilesStatus, total=False):
    """The same, of all cameras together; ``cameras``: each one's file."""

    cameras: dict[str, str | None]


SPECS: Final = (
    SinkSpec(
        "jsonl", JsonLinesConfig, "edge_segnet.sinks.files.jsonl:JsonLinesSink", JsonLinesStatus, folder="results"
    ),
    SinkSpec("video", VideoConfig, "edge_segnet.sinks.files.video:VideoSink", VideoStatus, folder="videos"),
)
