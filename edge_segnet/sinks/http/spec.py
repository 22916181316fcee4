"""The dashboard and the API, for ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.http.settings import HttpConfig
from edge_segnet.sinks.spec import SinkSpec, SinkStatus


class HttpStatus(SinkStatus, total=False):
    """What ``/api/status`` shows of it."""

    url: str | None
    auth: str
    connections: int
    streams: int
    watching: dict[str, int]
    """Streams by kind."""
    rejected: int
    cut_off: int
    encoded: dict[str, int]
    """Pictures by kind."""
    written_age_ms: dict[str, float] | None
    """Percentiles of frames' ages when their last byte was written."""


SPECS: Final = (
    SinkSpec(
        "http",
        HttpConfig,
        "edge_segnet.sinks.http.sink:HttpSink",
        HttpStatus,
        HttpConfig(),
        listens=True,
        token=True,
        tls=True,
    ),
)
