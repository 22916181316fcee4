"""Answers that go on: pictures one after the other, and results as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import deque
from typing import Final

from starlette.types import Receive, Scope, Send

from edge_segnet.core.telemetry import RECENT, Histogram
from edge_segnet.sinks.http.connection import Connection
from edge_segnet.sinks.http.feed import BOUNDARY, EVENT, Hub, Shot, Subscriber

logger = logging.getLogger(__name__)
STATUS_S: Final = 1.0
MAX_RATE: Final = 1000.0
"""Pictures per second that may be asked for: no camera has more (``uris.RATE``)."""
LOOK_S: Final = 0.05
"""Between two looks at the log of events: a comparison of two ids."""
CURSOR: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MULTIPART: Final = f"multipart/x-mixed-replace; boundary={BOUNDARY.decode()}"
MIXED: Final = f"multipart/mixed; boundary={BOUNDARY.decode()}"
"""For the dashboard's own layers: WebKit (Safari) takes x-mixed-replace apart by itself, and a page's fetch fails."""
EVENTS: Final = "text/event-stream"
_BUSY: Final = b'{"error": "too many streams are open; try again later"}'


class Written:
    """Ages of frames, in ms, at the moment when their last byte had gone to the kernel."""

    def __init__(self) -> None:
        self.histogram = Histogram()
        self.recent: deque[float] = deque(maxlen=RECENT)

    def observe(self, age_ms: float) -> None:
        """Count one frame of one client."""
        self.histogram.observe(age_ms)
        self.recent.append(age_ms)


class Stream:
    """An ASGI answer that sends every frame for which its client is ready, until one of both ends."""

    def __init__(
        self,
        hub: Hub,
        written: Written,
        kind: str,
        cameras: frozenset[str] | None,
        rate: float | None,
        cursor: str = "",
    ) -> None:
        """``cursor``: the last event of the log that the client has seen, where it comes back."""
        self._hub, self._written = hub, written
        self._kind, self._cameras, self._rate = kind, cameras, rate
        self._cursor = cursor if CURSOR.fullmatch(cursor) else hub.service.events.last_id

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        connection: Connection = scope["state"]["connection"]
        limits = connection.limits
        if limits.streams >= limits.max_streams:
            await _refuse(send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": self._headers()})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        subscriber = Subscriber(self._kind, self._cameras, self._rate, connection)
        connection.on_lost = subscriber.end
        limits.streams += 1
        self._hub.subscribers.add(subscriber)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the server closes
                await self._run(subscriber, send)
        finally:
            self._hub.subscribers.discard(subscriber)
            limits.streams -= 1
            connection.on_lost = None

    def _headers(self) -> list[tuple[bytes, bytes]]:
        media_type = {EVENT: EVENTS, "layers": MIXED}.get(self._kind, MULTIPART)
        # nginx would hold events back.
        return [(b"content-type", media_type.encode()), (b"x-accel-buffering", b"no")]

    async def _run(self, subscriber: Subscriber, send: Send) -> None:
        if self._kind == EVENT:
            subscriber.tell(await asyncio.to_thread(status_event, self._hub))
        else:
            await send({"type": "http.response.body", "body": b"--%s\r\n" % BOUNDARY, "more_body": True})
        for camera, shot in tuple(self._hub.latest.items()):
            if subscriber.wants(camera, 0.0):
                subscriber.offer(camera, shot)
        while True:
            await subscriber.wake.wait()
            subscriber.wake.clear()
            if subscriber.ended:
                break
            if self._kind == EVENT:
                await self._send_happened(send)
            if subscriber.status is not None:
                body, subscriber.status = subscriber.status, None
                await send({"type": "http.response.body", "body": body, "more_body": True})
            while subscriber.pending:
                camera, shot = subscriber.pending.popitem()
                await self._send(subscriber, self._hub.latest.get(camera, shot), send)
        await send({"type": "http.response.body", "body": b""})

    async def _send_happened(self, send: Send) -> None:
        """What came into the log since the last look; with its id, so that a client that comes back misses none."""
        for event in self._hub.service.events.since(self._cursor):
            self._cursor = event.id
            if self._cameras is None or event.camera in self._cameras:
                body = b"event: event\nid: %s\ndata: %s\n\n" % (event.id.encode(), event.document().to_json())
                await send({"type": "http.response.body", "body": body, "more_body": True})

    async def _send(self, subscriber: Subscriber, shot: Shot, send: Send) -> None:
        if shot.has(self._kind):
            piece = shot.piece(self._kind)
        else:  # a new client's first frame, or one that came while this client was slow
            piece = await asyncio.to_thread(shot.piece, self._kind)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        if subscriber.connection.blocked:
            await subscriber.connection.drained()
        if not subscriber.ended:
            self._written.observe(shot.age_ms)


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_BUSY)).encode())]
    await send(
        {"type": "http.response.start", "status": 503, "headers": [*headers, (b"retry-after", b"5")]},
    )
    await send({"type": "http.response.body", "body": _BUSY})


def status_event(hub: Hub) -> bytes:
    """The service's status as a server-sent event."""
    return b"event: status\ndata: %s\n\n" % hub.service.status().to_json()


async def tell_happened(hub: Hub) -> None:
    """Wakes who listens when the log has grown."""
    seen = hub.service.events.last_id
    while True:
        await asyncio.sleep(LOOK_S)
        last = hub.service.events.last_id
        if last != seen:
            seen = last
            for listener in [taker for taker in hub.subscribers if taker.kind == EVENT]:
                listener.wake.set()


async def tell_status(hub: Hub) -> None:
    """Once a second: drop cameras that are gone, send a status event to whoever listens."""
    while True:
        hub.forget_removed()
        listeners = [taker for taker in hub.subscribers if taker.kind == EVENT and not taker.connection.blocked]
        try:
            event = await asyncio.to_thread(status_event, hub) if listeners else b""
        except Exception:  # whatever it is, the server goes on
            logger.exception("the service's status could not be sent")
            listeners = []
        for listener in listeners:
            listener.tell(event)
        await asyncio.sleep(STATUS_S)
