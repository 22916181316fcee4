"""The live connection for Foxglove, for ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.foxglove.settings import FoxgloveConfig
from edge_segnet.sinks.spec import SinkSpec, SinkStatus


class FoxgloveStatus(SinkStatus, total=False):
    """What ``/api/status`` shows of it."""

    url: str | None
    clients: int
    refused: int
    watched: list[str]
    """Topics that somebody looks at."""
    sent: int


SPECS: Final = (
    SinkSpec(
        "foxglove",
        FoxgloveConfig,
        "edge_segnet.sinks.foxglove.sink:FoxgloveSink",
        FoxgloveStatus,
        modules=("foxglove",),
        install="pip install 'edge-segnet[recording]'",
        listens=True,
        tls=True,
    ),
)
