"""A TCP proxy for tests of networks that misbehave; what is special comes from who inherits from it."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from types import TracebackType
from typing import TypeVar

_P = TypeVar("_P", bound="TcpProxy")


class TcpProxy:
    """Forwards 127.0.0.1:``port`` to ``target`` (a port of this machine)."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._ended = threading.Event()
        self._peer: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(0.02):
                taken = key.fileobj
                assert isinstance(taken, socket.socket)
                if taken is self._listener:
                    self._accept()
                elif taken in self._peer:  # not dropped a moment ago, together with the other end
                    self._forward(taken)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self._target), 1.0)
        except OSError:
            near.close()
            return
        self._peer |= {near: far, far: near}
        for end in (near, far):
            self._selector.register(end, selectors.EVENT_READ)

    def _forward(self, end: socket.socket) -> None:
        try:
            data = end.recv(1 << 16)
            self._send(self._peer[end], data)
        except OSError:
            data = b""
        if not data:
            self._drop(end)

    def _send(self, end: socket.socket, data: bytes) -> None:
        end.sendall(data)

    def _drop(self, end: socket.socket) -> None:
        for one in (end, self._peer.pop(end)):
            self._peer.pop(one, None)
            with contextlib.suppress(KeyError):
                self._selector.unregister(one)
            self._close(one)

    def _close(self, end: socket.socket) -> None:
        end.close()

    def __enter__(self: _P) -> _P:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        for end in [self._listener, *self._peer]:
            end.close()
        self._selector.close()
