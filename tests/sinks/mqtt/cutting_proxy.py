"""A TCP proxy that cuts a connection when so many bytes have passed, in the middle of whatever that is."""

from __future__ import annotations

import contextlib
import socket
import struct

from tests.support.tcp_proxy import TcpProxy


class CuttingProxy(TcpProxy):
    """Forwards until it cuts."""

    def __init__(self, target: int) -> None:
        self.cuts = 0
        self._left: list[int] = []
        super().__init__(target)

    def cut_after(self, *counts: int) -> None:
        """Cut after so many more bytes, then again after the next number; no number: never."""
        self._left = list(counts)

    def _forward(self, end: socket.socket) -> None:
        try:
            data = end.recv(1 << 16)
            cut = bool(self._left) and len(data) >= self._left[0]
            self._peer[end].sendall(data[: self._left[0]] if cut else data)
            if self._left:
                self._left[0] -= len(data)
        except OSError:
            data, cut = b"", False
        if cut:
            self._left.pop(0)
            self.cuts += 1
        if cut or not data:
            self._drop(end)

    def _close(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            # A reset, so that what lies in the kernels is gone, too.
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()
