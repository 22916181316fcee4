"""JSON lines and videos, for ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.files.settings import JsonLinesConfig, VideoConfig
from edge_segnet.sinks.spec import SinkSpec

SPECS: Final = (
    SinkSpec("jsonl", JsonLinesConfig, "edge_segnet.sinks.files.jsonl:JsonLinesSink", folder="results"),
    SinkSpec("video", VideoConfig, "edge_segnet.sinks.files.video:VideoSink", folder="videos"),
)
