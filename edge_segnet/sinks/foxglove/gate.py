"""Who reaches Foxglove's server, and how much: the server of the SDK knows no limits, no Host and no Origin.

    client ─► Gate (own thread: handshake checked, connections counted, rates bounded) ─► SDK's server, loopback

The SDK's server drops messages for a client that does not take them; here such a client is cut off after a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from typing import Final
from urllib.parse import urlsplit

from edge_segnet.core import threads
from edge_segnet.sinks.access import is_loopback
from edge_segnet.sinks.foxglove.settings import FoxgloveConfig
from edge_segnet.sinks.hosts import Hosts
from edge_segnet.sinks.listening import bind

logger = logging.getLogger(__name__)
FOXGLOVE: Final = frozenset({"https://app.foxglove.dev", "https://studio.foxglove.dev", "file://"})
"""Origins of Foxglove's own: the web application, its older address, the desktop application."""
MAX_HEAD: Final = 8192
"""Bytes of a handshake's headers."""
HANDSHAKE_S: Final = 5.0
"""From the connection to the end of its headers."""
STUCK_S: Final = 10.0
"""Without the client taking anything."""
RETRY_S: Final = 2.0
"""Between two tries to listen, or to accept where descriptors have run out."""
LINGER_S, LEAVING = 0.2, 32
"""How long a refused connection is kept, and how many at once before the next one has to wait."""
MAX_REASONS: Final = 32
"""Of refusals that are counted apart: clients choose the words, so their number is bounded."""
UP_BYTES, UP_PER_S = 4096, 16.0
"""What a client may send: subscriptions are a few hundred bytes."""
DOWN_BYTES: Final = 65_536
"""Handed on at once: asyncio's own limit of a stream (64 KiB)."""
_WORDS: Final = {400: "Bad Request", 403: "Forbidden", 503: "Service Unavailable"}


class Refused(Exception):
    """A client that doesn't get through: HTTP status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Gate:
    """Listens at the address of the settings; tries again while that is taken."""

    def __init__(
        self, config: FoxgloveConfig, tls: ssl.SSLContext | None, inner: tuple[str, int], stuck_s: float = STUCK_S
    ) -> None:
        """``inner``: (host, port) of the SDK's server. ``stuck_s``: how long a client may
        take nothing.
        """
        self.port: int | None = None
        self.error: str | None = None
        self.refused: Counter[str] = Counter()
        self._config, self._tls, self._inner, self._stuck_s = config, tls, inner, stuck_s
        self._hosts = Hosts([*config.allowed_hosts, config.host])
        self._clients: set[asyncio.Task[None]] = set()
        self._leaving: set[socket.socket] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threads.Thread(self._run, "foxglove")

    @property
    def clients(self) -> int:
        """Connected now."""
        return len(self._clients)

    def start(self) -> None:
        """Listen, in a thread."""
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Cut everyone off and free the port."""
        if not self._thread.started:
            self._loop.close()
            return
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        if self._loop.is_closed():  # an earlier run broke
            self._loop, self._stop = asyncio.new_event_loop(), asyncio.Event()
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda _loop, context: logger.debug("foxglove: %s", context.get("message")))
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        sockets = await self._listen()
        if sockets is None:
            return
        accepting = [asyncio.ensure_future(self._accept(listener)) for listener in sockets]
        await self._stop.wait()
        for task in (*accepting, *self._clients):
            task.cancel()
        await asyncio.gather(*accepting, *self._clients, return_exceptions=True)
        for each in (*sockets, *self._leaving):
            each.close()

    async def _listen(self) -> list[socket.socket] | None:
        host, port = self._config.host, self._config.port
        while not self._stop.is_set():
            try:
                sockets = await bind(host, port)
            except OSError as error:
                if self.error is None:
                    logger.warning("foxglove: %s:%d: %s; tried again every %g s", host, port, error.strerror, RETRY_S)
                self.error = error.strerror or str(error)
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), RETRY_S)
            else:
                self.error, self.port = None, sockets[0].getsockname()[1]
                logger.info("foxglove: listening on %s, port %d", host, self.port)
                return sockets
        return None

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = await self._loop.sock_accept(listener)
            except OSError:  # out of descriptors, for one
                await asyncio.sleep(RETRY_S)
                continue
            if len(self._clients) < self._config.max_clients:
                self._clients.add(asyncio.ensure_future(self._take(client)))
            else:
                self._turn_away(client)
            await asyncio.sleep(0.0 if len(self._leaving) < LEAVING else LINGER_S)

    def _turn_away(self, client: socket.socket) -> None:
        """Closed at once, the client would see a reset and no answer."""
        self._count("too many clients")
        with contextlib.suppress(OSError):
            client.send(_answer(503, "too many clients"))
        self._leaving.add(client)
        self._loop.call_later(LINGER_S, self._part, client)

    def _part(self, client: socket.socket) -> None:
        self._leaving.discard(client)
        client.close()

    async def _take(self, client: socket.socket) -> None:
        reader = asyncio.StreamReader(MAX_HEAD)
        protocol = asyncio.StreamReaderProtocol(reader)
        handshake_s = HANDSHAKE_S if self._tls else None
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol, client, ssl=self._tls, ssl_handshake_timeout=handshake_s
            )
            writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
            try:
                await self._serve_client(reader, writer)
            finally:
                transport.abort()
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            pass  # gone, or too slow
        finally:
            client.close()
            task = asyncio.current_task()
            assert task is not None
            self._clients.discard(task)

    async def _serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(_head(reader), HANDSHAKE_S)
            self._check(head)
        except Refused as refusal:
            self._count(str(refusal))
            writer.write(_answer(refusal.status, str(refusal)))
            await asyncio.wait_for(writer.drain(), LINGER_S)
            await asyncio.sleep(LINGER_S)
        else:
            await self._relay(head, reader, writer)

    def _count(self, why: str) -> None:
        if why not in self.refused and len(self.refused) >= MAX_REASONS:
            why = "other reasons"
        if not self.refused[why]:
            logger.warning("foxglove: a client was refused: %s", why)
        self.refused[why] += 1

    def _check(self, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        fields = [line.partition(":") for line in lines[1:] if line]
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        if not lines[0].startswith("GET ") or headers.get("upgrade", "").lower() != "websocket":
            raise Refused(400, "this is for Foxglove: open it there as a WebSocket connection")
        if not self._hosts.knows(headers.get("host", "")):
            raise Refused(403, "it calls this machine by an unknown name; see foxglove.allowed_hosts")
        origin = headers.get("origin")
        if origin is not None and not self._is_welcome(origin):
            shown = "".join(mark for mark in origin[:80] if mark.isprintable())
            raise Refused(403, f"a page of {shown} is not in foxglove.allowed_origins")

    def _is_welcome(self, origin: str) -> bool:
        if origin in FOXGLOVE or origin in self._config.allowed_origins:
            return True
        try:
            host = urlsplit(origin).hostname
        except ValueError:
            return False
        return host is not None and is_loopback(host)

    async def _relay(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(*self._inner)
        try:
            inner_writer.write(head)
            ways = [
                asyncio.ensure_future(_up(reader, inner_writer)),
                asyncio.ensure_future(_down(inner_reader, writer, self._stuck_s)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            inner_writer.transport.abort()


def _answer(status: int, why: str) -> bytes:
    body = why.encode("ascii", "replace") + b"\n"
    head = f"HTTP/1.1 {status} {_WORDS[status]}\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise Refused(400, "the request is too long") from None


async def _up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """From the client; one that sends without end is slowed by TCP itself."""
    while data := await reader.read(UP_BYTES):
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(1.0 / UP_PER_S)


async def _down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stuck_s: float) -> None:
    """To the client; one that takes nothing is left."""
    while data := await reader.read(DOWN_BYTES):
        writer.write(data)
        await asyncio.wait_for(writer.drain(), stuck_s)
