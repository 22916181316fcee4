"""A TCP proxy that cuts a connection once so many bytes have passed, in the middle of whatever that is."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from types import TracebackType


class CuttingProxy:
    """Forwards 127.0.0.1:``port`` to ``target``."""

    def __init__(self, target: int) -> None:
        self.cuts = 0
        self._target = target
        self._left: int | None = None
        self._ended = threading.Event()
        self._peer: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut_after(self, count: int | None) -> None:
        """Cut once, after ``count`` more bytes; None: never."""
        self._left = count

    def _run(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(0.02):
                end = key.fileobj
                assert isinstance(end, socket.socket)
                if end is self._listener:
                    self._accept()
                elif end in self._peer:
                    self._forward(end)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection(("127.0.0.1", self._target))
        self._peer |= {near: far, far: near}
        for end in (near, far):
            self._selector.register(end, selectors.EVENT_READ)

    def _forward(self, end: socket.socket) -> None:
        try:
            data = end.recv(1 << 16)
            cut = self._left is not None and len(data) >= self._left
            self._peer[end].sendall(data[: self._left] if cut else data)
            if self._left is not None:
                self._left -= len(data)
        except OSError:
            data, cut = b"", False
        if cut:
            self._left = None
            self.cuts += 1
        if cut or not data:
            self._drop(end)

    def _drop(self, end: socket.socket) -> None:
        for one in (end, self._peer.pop(end)):
            self._peer.pop(one, None)
            with contextlib.suppress(KeyError):
                self._selector.unregister(one)
            with contextlib.suppress(OSError):
                # A reset, so that what lies in the kernels is gone, too.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()

    def __enter__(self) -> CuttingProxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        for end in [self._listener, *self._peer]:
            end.close()
        self._selector.close()
