"""The video stream, for ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.rtsp.settings import RtspConfig
from edge_segnet.sinks.spec import SinkSpec, SinkStatus


class RtspStatus(SinkStatus, total=False):
    """What ``/api/status`` shows of it."""

    urls: list[str]
    encoder: str | None
    clients: int
    watched: list[str]
    """Cameras."""
    encoded: int


SPECS: Final = (
    SinkSpec(
        "rtsp",
        RtspConfig,
        "edge_segnet.sinks.rtsp.sink:RtspSink",
        RtspStatus,
        modules=("gi",),
        install="apt install python3-gi gir1.2-gst-rtsp-server-1.0, in an environment that sees them",
        listens=True,
        token=True,
    ),
)
