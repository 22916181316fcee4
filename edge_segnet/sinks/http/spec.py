"""The dashboard and the API, for ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.http.settings import HttpConfig
from edge_segnet.sinks.spec import SinkSpec

SPECS: Final = (
    SinkSpec(
        "http", HttpConfig, "edge_segnet.sinks.http.sink:HttpSink", HttpConfig(), listens=True, token=True, tls=True
    ),
)
