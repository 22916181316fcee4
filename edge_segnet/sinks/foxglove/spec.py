"""The live connection for Foxglove, for ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.foxglove.settings import FoxgloveConfig
from edge_segnet.sinks.spec import SinkSpec

SPECS: Final = (
    SinkSpec(
        "foxglove",
        FoxgloveConfig,
        "edge_segnet.sinks.foxglove.sink:FoxgloveSink",
        modules=("foxglove",),
        install="pip install 'edge-segnet[recording]'",
        listens=True,
        tls=True,
    ),
)
