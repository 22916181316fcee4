"""The dashboard and the API: pictures, statistics, health and metrics over HTTP.

    publish (fan-out's thread) ── makes what somebody is ready for ──► Hub ──► event loop (own thread) ──► clients

What a client does stays between it and this sink: the camera's loop never waits here.
"""

from __future__ import annotations

import socket
from collections import Counter
from typing import Final

from edge_segnet.core.files import state_folder
from edge_segnet.core.stats import percentile
from edge_segnet.core.types import Result
from edge_segnet.sinks import Service
from edge_segnet.sinks.access import load_token
from edge_segnet.sinks.http.answers import Answers
from edge_segnet.sinks.http.auth import Sessions
from edge_segnet.sinks.http.feed import Hub
from edge_segnet.sinks.http.guard import Guard
from edge_segnet.sinks.http.metrics import Metrics
from edge_segnet.sinks.http.operations import application
from edge_segnet.sinks.http.server import Server
from edge_segnet.sinks.http.settings import HttpConfig
from edge_segnet.sinks.http.spec import HttpStatus
from edge_segnet.sinks.http.streams import Written, tell_happened, tell_status

CLOSE_S: Final = 1.0
"""Of the 1.5 s that all sinks have at the end."""


class HttpSink:
    """A sink that serves ``config.host``:``config.port``."""

    def __init__(self, config: HttpConfig, service: Service) -> None:
        """Checks everything that can be wrong for good; ``start`` listens.

        Raises:
            SettingsError: an address that others can reach without ``auth``, a token or certificate that is unusable.
        """
        token = load_token(config.auth, config.host, "http")
        sessions = None if token is None else Sessions(token, state_folder() / "http-sessions-ended.json")
        self._config = config
        self._auth = "none" if sessions is None else "token"
        self._hub, self._written = Hub(service), Written()
        metrics = Metrics(service, self.status, self._written.histogram)
        secure = config.tls is not None
        answers = Answers(service, self._hub, self._written, metrics, sessions, _description, secure=secure)
        hosts = [*config.allowed_hosts, config.host]
        self._server = Server(
            Guard(application(answers), sessions, hosts),
            config,
            lambda: [tell_status(self._hub), tell_happened(self._hub)],
        )

    def start(self) -> None:
        """Start to listen, in a thread of its own; waits for the first try, not for success (see ``status``)."""
        self._server.start()

    @property
    def url(self) -> str:
        """Where a browser finds the dashboard."""
        host = self._config.host
        if host in ("0.0.0.0", "::"):
            host = socket.gethostname()
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"{'https' if self._config.tls else 'http'}://{host}:{self._server.port or self._config.port}"

    def publish(self, result: Result) -> None:
        """Take a result and make the pictures that somebody is ready to take."""
        self._hub.publish(result, self._server.call)

    def status(self) -> HttpStatus:
        """State, address, clients, counts, and ages (ms) of frames when their last byte was written."""
        limits, recent = self._server.limits, tuple(self._written.recent)
        age = {name: round(percentile(recent, share), 1) for name, share in _PERCENTILES} if recent else None
        return {
            "state": "waiting" if self._server.port is None else "listening",
            "error": self._server.error,
            "url": self.url,
            "auth": self._auth,
            "connections": len(limits.open),
            "streams": limits.streams,
            "watching": dict(Counter(taker.kind for taker in tuple(self._hub.subscribers))),
            "rejected": limits.rejected,
            "cut_off": limits.cut_off,
            "encoded": dict(self._hub.encoded),
            "written_age_ms": age,
        }

    def close(self) -> None:
        """Cut all connections and stop listening, within a second; may be called twice."""
        self._server.close(CLOSE_S)


def _description() -> bytes:
    from edge_segnet.sinks.http.openapi import description  # makes schemas: nothing that a start should wait for

    return description()


_PERCENTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
