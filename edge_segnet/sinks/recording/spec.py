"""MCAP recordings, for ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.recording.settings import RecordingConfig
from edge_segnet.sinks.spec import SinkSpec

SPECS: Final = (
    SinkSpec(
        "recording",
        RecordingConfig,
        "edge_segnet.sinks.recording.sink:RecordingSink",
        modules=("foxglove", "mcap"),
        install="pip install 'edge-segnet[recording]'",
        folder="recordings",
    ),
)
