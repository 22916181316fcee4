"""What systemd is told: sd_notify(3), a datagram of lines to the socket that it names."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

logger = logging.getLogger(__name__)
_USEC: Final = 1_000_000
"""sd_notify(3) counts in microseconds."""


class Notifier:
    """Speaks to the service manager; says nothing where there is none. Never fails, never blocks."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        self._socket: socket.socket | None = None
        self._shown = ""
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        wanted = environment.get("WATCHDOG_USEC", "")
        is_ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(wanted) / _USEC if self._socket and is_ours and wanted.isdecimal() else None
        """How often at least ``watchdog`` must be called; None: nobody watches."""

    @property
    def listening(self) -> bool:
        """Whether a service manager listens."""
        return self._socket is not None

    def ready(self) -> None:
        """Start-up, or a reload, is over."""
        self._send("READY=1")

    def reloading(self) -> None:
        """A reload begins; ``ready`` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The end begins."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """Progress was made."""
        self._send("WATCHDOG=1")

    def patience(self, seconds: float) -> None:
        """A silence of so long is a hang from now on; told where somebody watches, when it differs by a tenth."""
        if self.watchdog_s is not None and abs(seconds - self.watchdog_s) > 0.1 * self.watchdog_s:
            self.watchdog_s = seconds
            self._send(f"WATCHDOG_USEC={int(seconds * _USEC)}")

    def extend(self, seconds: float) -> None:
        """Start-up takes that much longer, because something is waited for."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * _USEC)}")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``; sent when it changed."""
        text = " ".join(text.split())
        if text != self._shown:
            self._shown = text
            self._send(f"STATUS={text}")

    def _send(self, message: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:
            logger.debug("service manager not told %s (%s)", message.partition("=")[0], error)

    def close(self) -> None:
        """Forget the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
