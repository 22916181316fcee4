"""A TCP proxy that can stop forwarding while every connection stays open, as a network does that loses its packets."""

from __future__ import annotations

import socket
import threading

from tests.support.tcp_proxy import TcpProxy


class StallingProxy(TcpProxy):
    """Forwards until it stalls."""

    def __init__(self, target: int) -> None:
        self._stalled = threading.Event()
        super().__init__(target)

    def stall(self) -> None:
        """From here on nothing comes through; new connections are accepted and stay silent."""
        self._stalled.set()

    def resume(self) -> None:
        """New connections work; those of before stay dead for ever, as after a camera's power cut."""
        self._stalled.clear()

    def _forward(self, end: socket.socket) -> None:
        if self._stalled.is_set():
            self._selector.unregister(end)  # never looked at again; kept open
        else:
            super()._forward(end)
