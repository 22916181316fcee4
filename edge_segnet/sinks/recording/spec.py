"""MCAP recordings, for ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.recording.settings import RecordingConfig
from edge_segnet.sinks.spec import SinkSpec, SinkStatus


class RecorderStatus(SinkStatus, total=False):
    """Of the thread between the loop and the disk."""

    queue_mb: float
    queue_s: float
    written: int
    triggers: int


class RecordingStatus(RecorderStatus, total=False):
    """What ``/api/status`` shows of it."""

    mode: str
    path: str
    file: str | None
    files: int
    removed: int


SPECS: Final = (
    SinkSpec(
        "recording",
        RecordingConfig,
        "edge_segnet.sinks.recording.sink:RecordingSink",
        RecordingStatus,
        modules=("foxglove", "mcap"),
        install="pip install 'edge-segnet[recording]'",
        folder="recordings",
    ),
)
