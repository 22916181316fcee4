"""One client's connection, and what clients may take: uvicorn's HTTP/1.1 protocol with deadlines and budgets.

A client may be slow, stuck or hostile. It gets a bounded number of connections and requests, a deadline for its request
and one for reading what it asked for; past a deadline the connection is cut, whatever is still unsent.

    waiting for a request --headers complete--> answering --last byte handed over--> idle --first byte--> waiting ...
      | REQUEST_S                                 | WRITE_S without the client reading  | REQUEST_S
      `------------------------------------------ cut -----------------------------------'
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from edge_segnet.core.pace import Bucket

REQUEST_S: Final = 5.0
"""Until the next request is complete up to its headers; an idle connection ends then, too."""
WRITE_S: Final = 5.0
"""Until a client has taken what was written for it."""
MAX_HEADER: Final = 16 * 1024
"""Bytes; Apache and nginx bound a single line at 8 kB."""
REQUESTS_PER_S: Final = 100.0
"""Of one address; what comes faster waits. A poller of three pictures at 30 Hz stays below."""
REQUEST_BURST: Final = 200.0
"""A page with its parts, opened in ten windows at once."""
MAX_ADDRESSES: Final = 4096
"""Remembered; when there are more, those that have been quiet are forgotten."""


class Limits:
    """Who is connected, and how much more may come. Event loop only."""

    def __init__(self, max_connections: int) -> None:
        self.max_connections = max_connections
        self.max_per_address = max(4, max_connections // 2)
        self.max_streams = max(3, max_connections * 3 // 4)
        """The rest stays free for health checks and short requests."""
        self.open: set[Connection] = set()
        self.streams = 0
        self.rejected = 0
        self.cut_off = 0
        self._addresses: Counter[str] = Counter()
        self._buckets: dict[str, Bucket] = {}

    def admits(self, address: str) -> bool:
        """Whether one more connection from there is acceptable; ``enter`` follows."""
        return len(self.open) < self.max_connections and self._addresses[address] < self.max_per_address

    def enter(self, connection: Connection) -> None:
        """Count a connection."""
        self.open.add(connection)
        self._addresses[connection.address] += 1

    def leave(self, connection: Connection) -> None:
        """Forget it."""
        if connection in self.open:
            self.open.discard(connection)
            self._addresses[connection.address] -= 1
            if self._addresses[connection.address] <= 0:
                del self._addresses[connection.address]

    def wait_for_request(self, address: str) -> float:
        """Seconds until this address may send something again."""
        if address not in self._buckets:
            if len(self._buckets) >= MAX_ADDRESSES:
                self._buckets = {key: bucket for key, bucket in self._buckets.items() if not bucket.full}
            self._buckets[address] = Bucket(REQUESTS_PER_S, REQUEST_BURST)
        return self._buckets[address].reserve()

    def cut_overdue(self) -> None:
        """End the connections that are past a deadline; called again and again."""
        now = time.monotonic()
        for connection in tuple(self.open):
            if connection.overdue(now):
                self.cut_off += not connection.idle
                connection.cut()


class Connection(H11Protocol):
    """uvicorn's protocol; the application finds it in ``scope["state"]["connection"]``."""

    def __init__(self, config: uvicorn.Config, limits: Limits, address: str) -> None:
        self.limits, self.address = limits, address
        self.on_lost: Callable[[], Any] | None = None
        self._request_since: float | None = time.monotonic()
        self._blocked_since: float | None = None
        self._late = bytearray()
        self.idle = False
        """Kept open after an answer, and nothing came since."""
        super().__init__(config, ServerState(), {"connection": self}, asyncio.get_running_loop())
        limits.enter(self)  # before a TLS handshake

    @property
    def blocked(self) -> bool:
        """Whether the client has not taken yet what was written for it."""
        return self._blocked_since is not None

    async def drained(self) -> None:
        """Until the last byte went to the kernel, or the client is gone."""
        await self.flow.drain()

    def overdue(self, now: float) -> bool:
        """Whether a deadline is over, on the monotonic clock."""
        waits, blocked = self._request_since, self._blocked_since
        return (waits is not None and now - waits > REQUEST_S) or (blocked is not None and now - blocked > WRITE_S)

    def cut(self) -> None:
        """End it now; what is unsent is lost."""
        if self.transport is not None:  # else still in the TLS handshake, which has its own deadline
            self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=1, low=0)  # so that ``blocked`` means what it says

    def connection_lost(self, exc: Exception | None) -> None:
        self.limits.leave(self)
        super().connection_lost(exc)
        self.app_state = {}
        if self.on_lost is not None:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        self.idle = False
        if self._late:  # the end of an answer made uvicorn read on
            self._late += data
        elif (wait_s := self.limits.wait_for_request(self.address)) > 0.0:
            self._late += data
            self.transport.pause_reading()
            self.loop.call_later(wait_s, self._received_late)
        else:
            super().data_received(data)

    def _received_late(self) -> None:
        data, self._late = bytes(self._late), bytearray()
        if not self.transport.is_closing():
            self.transport.resume_reading()
            super().data_received(data)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._request_since = None

    def send_400_response(self, msg: str) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # its answer has no place any more, and uvicorn would log a traceback
            if self.cycle.response_started:
                self.cut()
                return
        super().send_400_response(msg)

    def on_response_complete(self) -> None:
        self._request_since, self.idle = time.monotonic(), True
        if self.conn.trailing_data[0]:
            self.transport.close()  # pipelining would be a way around the budget, and no browser does it
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._blocked_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._blocked_since = None
        super().resume_writing()
