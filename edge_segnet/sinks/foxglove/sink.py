"""Live in Foxglove: the topics of a recording over a WebSocket. Pictures are made only while somebody watches them.

publish (fan-out's thread) encodes what is subscribed ─► SDK's server (loopback) ─► Gate ─► clients
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

from edge_segnet.core import threads
from edge_segnet.core.errors import SettingsError
from edge_segnet.core.pace import RateLimiter
from edge_segnet.core.types import Result
from edge_segnet.sinks import Service
from edge_segnet.sinks.access import is_loopback
from edge_segnet.sinks.foxglove.gate import Gate
from edge_segnet.sinks.foxglove.settings import FoxgloveConfig
from edge_segnet.sinks.foxglove.spec import FoxgloveStatus
from edge_segnet.sinks.listening import tls_context

if TYPE_CHECKING:
    from edge_segnet.sinks.foxglove.channels import Channels

CLOSE_S: Final = 0.5
"""Of the 1.5 s that all sinks have at the end, side by side."""
STATUS_S, TURN_S = 1.0, 0.1
BACKLOG: Final = 128
"""Messages that wait for a client; of those beyond, the oldest go."""


class FoxgloveSink:
    """A sink that serves ``config.host``:``config.port``."""

    def __init__(self, config: FoxgloveConfig, service: Service) -> None:
        """Raises SettingsError: an address that others can reach without ``auth: none``, an unusable certificate,
        or the extra is not installed.
        """
        if config.auth is None and not is_loopback(config.host):
            raise SettingsError(
                f"{config.host} can be reached from other machines, and Foxglove shows no token",
                hint="keep 127.0.0.1 and come through ssh -L 8765:127.0.0.1:8765, or say auth: none if all may watch",
                key=("foxglove", "host"),
            )
        self._tls = tls_context(config.tls, "foxglove")
        try:
            from edge_segnet.sinks.foxglove.channels import Channels
            from edge_segnet.sinks.messages import LogTap
        except ImportError as error:
            what, hint = f"foxglove-sdk is needed ({error})", "pip install 'edge-segnet[recording]'"
            raise SettingsError(what, hint=hint, key=("foxglove",)) from error
        self._config, self._service = config, service
        self._channels: Channels = Channels(service, config.quality)
        self._turns = RateLimiter(config.rate)
        self._gate: Gate | None = None
        self._log = LogTap(self._channels.send_log)
        self._cursor = service.events.last_id
        self._closing = threading.Event()
        self._thread = threads.Thread(self._tell, "foxglove-events")

    def start(self) -> None:
        """Listen; an address that can't be had is said once and tried again."""
        self._gate = Gate(self._config, self._tls, self._channels.serve(BACKLOG))
        self._gate.start()
        self._thread.start()
        logging.getLogger().addHandler(self._log)

    @property
    def url(self) -> str | None:
        """What to open in Foxglove; None while nothing listens."""
        port = None if self._gate is None else self._gate.port
        host = self._config.host
        if host in ("0.0.0.0", "::"):
            host = socket.gethostname()
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return None if port is None else f"{'wss' if self._config.tls else 'ws'}://{host}:{port}"

    def publish(self, result: Result) -> None:
        """Encode and hand over what somebody has subscribed to."""
        if self._gate is not None and self._gate.clients and self._turns.mine(result.frame.camera):
            self._channels.send_result(result)
        else:
            self._channels.announce(result)

    def status(self) -> FoxgloveStatus:
        """What ``/api/status`` shows."""
        gate = self._gate
        return {
            "state": "listening" if self.url else "waiting",
            "error": None if gate is None else gate.error,
            "url": self.url,
            "clients": 0 if gate is None else gate.clients,
            "refused": 0 if gate is None else sum(gate.refused.values()),
            "watched": self._channels.watched(),
            "sent": self._channels.sent,
        }

    def close(self) -> None:
        """Send the viewers away and free the port; within a second."""
        logging.getLogger().removeHandler(self._log)
        self._closing.set()
        if self._gate is not None:
            self._gate.close(CLOSE_S)
            self._thread.join(TURN_S)
            self._channels.close()

    def _tell(self) -> None:
        """Events as they come, and the state once a second."""
        due_s = time.monotonic()
        while not self._closing.wait(TURN_S):
            for event in self._service.events.since(self._cursor):
                self._cursor = event.id  # first, so that one that can't be sent does not hold up all others
                self._channels.send_event(event)
            if time.monotonic() >= due_s:
                due_s += STATUS_S
                self._channels.send_status()
