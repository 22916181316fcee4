"""Clients of the dashboard, as a process of its own: ``python -m benchmarks.clients viewer|stuck|visits URL NUMBER``.

``viewer`` reads what one dashboard reads, until it is killed; ``stuck`` opens NUMBER streams and hardly ever reads
from them; ``visits`` comes and goes NUMBER times.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
import threading
import time
from urllib.parse import urlsplit

STREAMS = ("/stream/layers?fps=30", "/api/stream?rate=5")


def _connect(url: str, path: str) -> socket.socket:
    place = urlsplit(url)
    client = socket.create_connection((place.hostname or "127.0.0.1", place.port or 80), timeout=10)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
    return client


def viewer(url: str, _number: int) -> None:
    """Read both streams of a dashboard as fast as they come."""

    def read(path: str) -> None:
        with _connect(url, path) as client:
            while client.recv(1 << 18):
                pass

    for path in STREAMS:
        threading.Thread(target=read, args=(path,), daemon=True).start()
    threading.Event().wait()


def stuck(url: str, number: int) -> None:
    """Half of the clients never read, half read a byte a second; those that are cut off or refused come back."""
    kinds = [STREAMS[index % 2] for index in range(number)]
    clients: list[socket.socket | None] = [None] * number
    while True:
        for index, client in enumerate(clients):
            if client is None:
                with contextlib.suppress(OSError):
                    clients[index] = _connect(url, kinds[index])
            elif index % 2 and not _still_there(client):
                client.close()
                clients[index] = None
        time.sleep(1.0)


def _still_there(client: socket.socket) -> bool:
    try:
        client.setblocking(False)
        return client.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def visits(url: str, number: int) -> None:
    """Open a stream, take a little, go away; ten at a time."""
    done = 0
    while done < number:
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
            for index in range(min(10, number - done)):
                client = stack.enter_context(contextlib.closing(_connect(url, STREAMS[index % 2])))
                selector.register(client, selectors.EVENT_READ)
            for _ in range(20):
                for key, _events in selector.select(0.2):
                    assert isinstance(key.fileobj, socket.socket)
                    with contextlib.suppress(OSError):
                        key.fileobj.recv(1 << 16)
            done += 10


if __name__ == "__main__":
    {"viewer": viewer, "stuck": stuck, "visits": visits}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
