"""Brokers that mean ill: each accepts, and then does one thing again and again."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final

CONNACK: Final = bytes([0x20, 3, 0, 0, 0])


def _silent(_client: socket.socket, ended: threading.Event) -> None:
    ended.wait()


def _reads_nothing(client: socket.socket, ended: threading.Event) -> None:
    client.recv(4096)
    client.sendall(CONNACK)
    ended.wait()


def _rubbish(client: socket.socket, _ended: threading.Event) -> None:
    client.sendall(bytes(range(256)) * 16)
    client.recv(4096)


def _rubbish_in_a_welcome(client: socket.socket, _ended: threading.Event) -> None:
    client.recv(4096)
    client.sendall(bytes([0x20, 8, 0, 0, 5, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF]))
    client.recv(4096)


def _hangs_up(client: socket.socket, _ended: threading.Event) -> None:
    client.recv(4096)
    client.sendall(CONNACK)


def _huge_packet(client: socket.socket, ended: threading.Event) -> None:
    client.recv(4096)
    client.sendall(CONNACK + bytes([0x30, 0xFF, 0xFF, 0xFF, 0x7F]))  # 268,435,455 bytes follow
    while not ended.is_set():
        client.sendall(bytes(65_536))


def _unasked(client: socket.socket, ended: threading.Event) -> None:
    client.recv(4096)
    client.sendall(CONNACK)
    number = 0
    while not ended.is_set():
        number = number % 65_535 + 1
        # PUBLISH, QoS 2, topic "x": whoever keeps these until they are released fills his memory.
        client.sendall(bytes([0x34, 106, 0, 1, 0x78]) + number.to_bytes(2, "big") + bytes(101))


def _refuses_for_ever(client: socket.socket, _ended: threading.Event) -> None:
    client.recv(4096)
    client.sendall(bytes([0x20, 3, 0, 0x97, 0]))


DEEDS: Final[Mapping[str, tuple[Callable[[socket.socket, threading.Event], None], str]]] = {
    "silent": (_silent, "answered nothing for 2 s"),
    "reads nothing": (_reads_nothing, "answered nothing for 2 s"),
    "rubbish": (_rubbish, ""),
    "rubbish in a welcome": (_rubbish_in_a_welcome, "what nobody understands"),
    "hangs up": (_hangs_up, "closed the connection"),
    "huge packet": (_huge_packet, "a packet of more than 16384 bytes"),
    "unasked": (_unasked, "nobody asked for"),
    "refuses for ever": (_refuses_for_ever, "the broker refuses: quota exceeded"),
}
"""Name -> (what it does, what the sink says of it)."""


class Hostile:
    """Listens on ``port``; ``connections`` counts."""

    def __init__(self, deed: Callable[[socket.socket, threading.Event], None]) -> None:
        self.connections = 0
        self._deed = deed
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._clients: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._clients.append(client)
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            self._deed(client, self._ended)

    def __enter__(self) -> Hostile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        for each in (self._listener, *self._clients):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)
