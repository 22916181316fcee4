"""The newest frame of every camera, what was made of it, and who waits for the next one.

Pictures and documents are made once per frame and kind, on the thread that publishes, and only while somebody is ready
to take them. The event loop only hands finished bytes on.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from edge_segnet.core.documents import result_document
from edge_segnet.core.types import Result
from edge_segnet.sinks import Service
from edge_segnet.sinks.http import pictures
from edge_segnet.sinks.http.connection import Connection

EVENT: Final = "event"
BOUNDARY: Final = b"frame"
FRESH_MS: Final = 100.0
"""A client that comes later than this gets a frame with its age of then, not of when it was made."""


class Shot:
    """One result, and what was made of it so far."""

    def __init__(self, result: Result, hub: Hub) -> None:
        self.result, self._hub = result, hub
        self._pictures: dict[str, bytes] = {}
        self._pieces: dict[str, tuple[float, bytes]] = {}
        """By kind: the frame's age when it was made, and what was made."""
        self._lock = threading.Lock()
        """Guards the newest shots: made on the fan-out's thread, read on the event loop and its workers."""

    @property
    def age_ms(self) -> float:
        """From capture until now."""
        return self.result.age_now_ms

    def has(self, kind: str) -> bool:
        """Whether ``piece`` costs nothing."""
        return kind in self._pieces

    def picture(self, kind: str) -> bytes:
        """A JPEG, PNG or both layers (``pictures.KINDS``)."""
        with self._lock:
            return self._drawn(kind)

    def piece(self, kind: str) -> bytes:
        """What a stream of that kind sends for this frame: a part of a multipart answer, or an event. What it says of
        the frame's age and whether it is stale is as of now, give or take ``FRESH_MS``.
        """
        with self._lock:
            age_ms = self.age_ms
            made_at_ms, piece = self._pieces.get(kind, (-math.inf, b""))
            if age_ms - made_at_ms > FRESH_MS:
                piece = self._event() if kind == EVENT else self._part(kind)
                self._pieces[kind] = age_ms, piece
            return piece

    def _drawn(self, kind: str) -> bytes:
        if kind not in self._pictures:
            self._hub.encoded[kind] += 1
            self._pictures[kind] = pictures.KINDS[kind].make(self.result)
        return self._pictures[kind]

    def _part(self, kind: str) -> bytes:
        picture = self._drawn(kind)
        head = {**picture_headers(self), "Content-Type": pictures.KINDS[kind].media_type}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        # The next boundary comes with this part: some browsers show a picture only when they have seen it.
        return b"%sContent-Length: %d\r\n\r\n%s\r\n--%s\r\n" % (lines.encode(), len(picture), picture, BOUNDARY)

    def _event(self) -> bytes:
        return b"event: result\ndata: %s\n\n" % result_document(self.result).to_json()


def picture_headers(shot: Shot) -> dict[str, str]:
    """What goes with every picture."""
    frame = shot.result.frame
    width, height = frame.source_size
    return {
        "X-Seq": str(frame.seq),
        "X-Age-Ms": f"{shot.age_ms:.1f}",
        "X-Camera": frame.camera,
        "X-Stale": str(int(shot.result.stale)),
        "X-Synthetic": str(int(frame.synthetic)),
        "X-Damaged": str(int(not frame.whole)),
        "X-Source-Size": f"{width}x{height}",
    }


class Subscriber:
    """One client's place for the newest frame of each camera that it watches. Made and used on the event loop; only
    ``wants`` is asked by the publishing thread.
    """

    def __init__(self, kind: str, cameras: frozenset[str] | None, rate: float | None, connection: Connection) -> None:
        """``cameras`` None: all; ``rate``: frames per second and camera at most."""
        self.kind, self.cameras, self.connection = kind, cameras, connection
        self.wake = asyncio.Event()
        self.pending: dict[str, Shot] = {}
        self.status: bytes | None = None
        self.ended = False
        self._interval_s = 1.0 / rate if rate else 0.0
        self._due: dict[str, float] = {}

    def wants(self, camera: str, now: float) -> bool:
        """Whether a frame would be taken at once: nothing is made for a client that is slow, stuck or not due."""
        return (
            (self.cameras is None or camera in self.cameras)
            and camera not in self.pending
            and not self.connection.blocked
            and now >= self._due.get(camera, 0.0)
        )

    def offer(self, camera: str, shot: Shot) -> None:
        """Leave a frame."""
        now = time.monotonic()
        # From when it was due, so that 10 of 15 frames a second come out as 10; but no debt is paid back.
        self._due[camera] = max(self._due.get(camera, now) + self._interval_s, now)
        self.pending[camera] = shot
        self.wake.set()

    def tell(self, status: bytes) -> None:
        """Leave a status event."""
        self.status = status
        self.wake.set()

    def end(self) -> None:
        """There will be no more."""
        self.ended = True
        self.wake.set()


class Hub:
    """All cameras' newest frames and all subscribers."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.latest: dict[str, Shot] = {}
        self.subscribers: set[Subscriber] = set()
        self.encoded: Counter[str] = Counter()

    def publish(self, result: Result, call: Callable[..., None]) -> None:
        """Take a result: on the publishing thread. ``call`` runs a function on the event loop."""
        camera, now = result.frame.camera, time.monotonic()
        shot = self.latest[camera] = Shot(result, self)
        takers = [taker for taker in tuple(self.subscribers) if taker.wants(camera, now)]
        if takers:
            for kind in {taker.kind for taker in takers}:
                shot.piece(kind)
            call(_hand_out, takers, camera, shot)

    def forget_removed(self) -> None:
        """Drop cameras that a reload took away, and end their streams."""
        known = self.service.cameras
        for camera in [name for name in tuple(self.latest) if name not in known]:
            del self.latest[camera]
        for subscriber in tuple(self.subscribers):
            if subscriber.cameras is not None and not subscriber.cameras <= known.keys():
                subscriber.end()


def _hand_out(takers: list[Subscriber], camera: str, shot: Shot) -> None:
    for taker in takers:
        taker.offer(camera, shot)
