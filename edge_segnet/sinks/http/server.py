"""The listener: a thread with an event loop that accepts connections, within limits, and serves the application."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from edge_segnet.core import threads
from edge_segnet.core.pace import Bucket
from edge_segnet.sinks.http.connection import MAX_HEADER, Connection, Limits
from edge_segnet.sinks.http.settings import HttpConfig
from edge_segnet.sinks.listening import bind, tls_context

logger = logging.getLogger(__name__)
RETRY_S: Final = 2.0
"""Between two tries to have a port that somebody else has."""
SWEEP_S: Final = 0.5
"""Between two looks for connections that are past a deadline."""
FIRST_TRY_S: Final = 2.0
"""``start`` waits so long at most, so that a port that is taken is known when the service says that it is ready."""
HANDSHAKE_S: Final = 5.0
"""For TLS."""
ACCEPTS_PER_S: Final = 200.0
"""Connections that are accepted; a flood of them must not eat the processor."""
WORKERS: Final = 2
"""Threads for what is asked for out of turn: single pictures, status, metrics."""
LINGERING: Final = 64
"""Refused connections that are kept for a moment: closed at once, their client would see a reset and no answer."""
_BUSY: Final = b"too many connections, try again later\n"
REFUSAL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BUSY), _BUSY)
)
_TLS_ONLY: Final = b"this port speaks TLS: the address begins with https://\n"
PLAIN: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_TLS_ONLY), _TLS_ONLY)
)


class Server:
    """Serves ``app`` at the config's address from a thread of its own; a port that is taken is tried again."""

    def __init__(self, app: ASGIApp, config: HttpConfig, tasks: Callable[[], list[Coroutine[Any, Any, None]]]) -> None:
        """``tasks``: what else shall run on the loop while the server lives.

        Raises:
            SettingsError: TLS is configured and can't work.
        """
        self.limits = Limits(config.max_connections)
        self.error: str | None = None
        self.port: int | None = None
        self._config, self._tls, self._tasks = config, tls_context(config.tls, "http"), tasks
        self._uvicorn = uvicorn.Config(
            app,
            interface="asgi3",
            lifespan="off",
            ws="none",
            http="h11",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=60,  # Connection has its own, shorter deadline
            h11_max_incomplete_event_size=MAX_HEADER,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._tried = threading.Event()
        self._lingering: deque[socket.socket] = deque()
        self._thread = threads.Thread(self._run, "http")

    def start(self) -> None:
        """Start to listen; returns after the first try (at most two seconds)."""
        self._thread.start()
        self._tried.wait(FIRST_TRY_S)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Run a function on the event loop soon; does nothing when there is none (any more)."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                self._loop.call_soon_threadsafe(function, *arguments)

    def close(self, timeout_s: float) -> None:
        """Cut all connections and end the thread; may be called twice."""
        if self._thread.is_alive():
            self.call(lambda: self._stop.set() if self._stop else None)
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:
            self.error = threads.told(error)
            raise
        finally:
            self._loop = None
            self._tried.set()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(_log_fault)
        self._loop.set_default_executor(ThreadPoolExecutor(WORKERS, "http-worker"))
        jobs = [asyncio.create_task(job) for job in (self._listen(), self._sweep(), *self._tasks())]
        stopped = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait([stopped, *jobs], return_when=asyncio.FIRST_COMPLETED)
        for job in (stopped, *jobs):
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await self._cut_all()
        for job in done - {stopped}:
            job.result()  # none of them ends by itself

    async def _cut_all(self) -> None:
        tasks = [task for connection in self.limits.open for task in connection.tasks]
        for connection in tuple(self.limits.open):
            connection.cut()
        await asyncio.sleep(0)
        if tasks:
            await asyncio.wait(tasks, timeout=0.5)
        while self._lingering:
            self._lingering.popleft().close()

    async def _listen(self) -> None:
        while True:
            try:
                sockets = await bind(self._config.host, self._config.port)
                break
            except OSError as error:
                self._report(error)
                self._tried.set()
                await asyncio.sleep(RETRY_S)
        self.port, self.error = sockets[0].getsockname()[1], None
        logger.info("listening on %s, port %d", self._config.host, self.port)
        self._tried.set()
        try:
            await asyncio.gather(*(self._accept(listener) for listener in sockets))
        finally:
            for listener in sockets:
                listener.close()

    def _report(self, error: OSError) -> None:
        place = f"{self._config.host}, port {self._config.port}"
        if error.errno == errno.EADDRINUSE:
            reason = "another program listens there; stop it or choose another http.port"
        elif error.errno == errno.EACCES:
            reason = "not allowed; ports below 1024 need CAP_NET_BIND_SERVICE, choose another http.port"
        else:
            reason = error.strerror or str(error)
        message = f"can't listen on {place}: {reason}"
        if message != self.error:
            logger.error("%s; tried again every %g s", message, RETRY_S)
        self.error = message

    async def _accept(self, listener: socket.socket) -> None:
        loop, pace = asyncio.get_running_loop(), Bucket(ACCEPTS_PER_S, ACCEPTS_PER_S)
        while True:
            await asyncio.sleep(pace.reserve())  # the kernel's queue holds the others
            try:
                client, address = await loop.sock_accept(listener)
            except OSError as error:  # no descriptors left, or gone before it was accepted
                logger.warning("a connection could not be accepted (%s)", error.strerror or error)
                await asyncio.sleep(SWEEP_S)
                continue
            if self.limits.admits(address[0]):
                connection = Connection(self._uvicorn, self.limits, address[0])
                if self._tls is None:
                    await _serve(loop, connection, client, None)
                else:
                    task = loop.create_task(self._serve_tls(loop, connection, client, self._tls))
                    connection.tasks.add(task)
                    task.add_done_callback(connection.tasks.discard)
            else:
                self._refuse(client)

    async def _serve_tls(
        self, loop: asyncio.AbstractEventLoop, connection: Connection, client: socket.socket, tls: ssl.SSLContext
    ) -> None:
        """Who speaks plain HTTP is told so, instead of being hung up on."""
        if await _begins_plain(loop, client):
            self.limits.leave(connection)
            self._answer(client, PLAIN)
        else:
            await _serve(loop, connection, client, tls)

    def _refuse(self, client: socket.socket) -> None:
        self.limits.rejected += 1
        if self._tls is not None:
            client.close()
        else:
            self._answer(client, REFUSAL)

    def _answer(self, client: socket.socket, words: bytes) -> None:
        try:
            client.send(words)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            client.close()
            return
        self._lingering.append(client)
        if len(self._lingering) > LINGERING:
            self._lingering.popleft().close()

    async def _sweep(self) -> None:
        while True:
            leaving = len(self._lingering)
            await asyncio.sleep(SWEEP_S)
            for _ in range(min(leaving, len(self._lingering))):
                self._lingering.popleft().close()
            self.limits.cut_overdue()


async def _begins_plain(loop: asyncio.AbstractEventLoop, client: socket.socket) -> bool:
    """Whether the first byte is a letter: a handshake of TLS begins with 22 (RFC 8446, 5.1). It stays where it is."""
    there = asyncio.Event()
    loop.add_reader(client, there.set)
    try:
        await asyncio.wait_for(there.wait(), HANDSHAKE_S)
        return client.recv(1, socket.MSG_PEEK).isalpha()
    except (OSError, asyncio.TimeoutError):
        return False
    finally:
        loop.remove_reader(client)


async def _serve(
    loop: asyncio.AbstractEventLoop, connection: Connection, client: socket.socket, tls: ssl.SSLContext | None
) -> None:
    """Hand an accepted socket to its protocol, through a TLS handshake if there is one."""
    timeout_s = HANDSHAKE_S if tls else None
    try:
        await loop.connect_accepted_socket(lambda: connection, client, ssl=tls, ssl_handshake_timeout=timeout_s)
    except (OSError, asyncio.TimeoutError):  # no TLS spoken, or not in time
        connection.limits.leave(connection)
    except asyncio.CancelledError:
        connection.limits.leave(connection)
        raise


def _log_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """One line; ``asyncio``'s own handler prints a traceback for what a client can provoke."""
    logger.warning("HTTP: %s (%s)", context.get("message", "a fault"), context.get("exception", "no exception"))
