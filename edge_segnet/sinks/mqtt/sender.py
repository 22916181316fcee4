"""The thread that talks to the broker: connects, sends what waits, and tries again when the connection is lost.

connecting --CONNACK--> connected --it breaks, or is silent for too long--> disconnected
    |`--CONNACK with a reason, or none but to MQTT 3.1.1--> refused              |
    |                           `--------------back-off, the next try-----------'
    `<--a minute, then longer-- taken <--another client came with our client id-- connected
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from edge_segnet.core.documents import StatusDocument
from edge_segnet.core.pace import BackOff, Deadline, SayOnce
from edge_segnet.core.types import Result
from edge_segnet.sinks import Service
from edge_segnet.sinks.mqtt.account import Account
from edge_segnet.sinks.mqtt.link import Link
from edge_segnet.sinks.mqtt.messages import Messages
from edge_segnet.sinks.mqtt.protocol import Lost, Message, State
from edge_segnet.sinks.mqtt.queue import EventQueue
from edge_segnet.sinks.mqtt.stream import Stream

logger = logging.getLogger(__name__)
TICK_S: Final = 0.1
"""Between two looks at what is to be sent, while the broker is silent."""
LOOK_S, STATUS_S = 0.5, 10.0
"""How often the state is looked at, and published even if it is the same."""
RETRY_S: Final = 3.0
"""After the broker refused an event."""
FIRST_S, LONGEST_S = 0.25, 10.0
"""Waits between two calls of the broker."""
TAKEN_S, TAKEN_LONGEST_S = 60.0, 3600.0
"""The same after another client took our client id. Each call throws it out in turn: seldom enough that both can work,
often enough that a guest who is gone is not waited for all day."""
GOODBYE_S: Final = 0.5
"""Of ``CLOSE_S``: the status that says so, and its answer."""


class Sender:
    """``run`` is the thread; the rest may be asked from any."""

    def __init__(self, service: Service, account: Account, messages: Messages, queue: EventQueue) -> None:
        self._service, self._account, self._messages, self._queue = service, account, messages, queue
        self._link = Link(account, messages.gone("connection lost"), self._answered)
        self._streams: list[tuple[Stream, Callable[[Result], Message | None]]] = []
        self._delays, self._taken = BackOff(FIRST_S, LONGEST_S), BackOff(TAKEN_S, TAKEN_LONGEST_S)
        self._stopping = False
        self._look_s = self._status_s = self._retry_s = 0.0
        self._shown: Any = None
        self._announced: list[Message] | None = None
        self._once = SayOnce()
        self.state: State = "connecting"
        self._connected_s = 0.0
        self.connections = 0
        self._lost_by: str | None = None
        self._refusals: dict[str, str] = {}

    def add(self, stream: Stream, make: Callable[[Result], Message | None]) -> None:
        """Send that stream's results, made into messages by ``make``."""
        self._streams.append((stream, make))

    @property
    def error(self) -> str | None:
        """Why there is no connection, or what the broker does not want."""
        return self._lost_by or next(iter(self._refusals.values()), None)

    def wake(self) -> None:
        """There is something to send."""
        if self.state == "connected":
            self._link.wake()

    def stop(self) -> None:
        """End soon, with a goodbye if there is a connection."""
        self._stopping = True
        self._link.hurry()

    def run(self) -> None:
        """Until ``stop``."""
        while not self._stopping:
            try:
                self._connect()
                while not self._stopping:
                    self._send()
                    self._link.wait(TICK_S)
            except Lost as lost:
                self._lost(str(lost), lost.state)
            except Exception as error:
                logger.exception("mqtt: a message could not be made")
                self._lost(f"{type(error).__name__}: {error}", "disconnected")
        self._say_goodbye()
        self._link.close()

    def _connect(self) -> None:
        resume = self._queue.flying and self._link.unanswered > 0
        if not resume:
            self._queue.retry()
            for stream, _ in self._streams:
                stream.flying = None
        self._link.open(resume)
        self.state, self._lost_by, self._refusals = "connected", None, {}
        self.connections += 1
        self._connected_s = time.monotonic()
        self._shown = self._announced = None
        self._look_s = self._status_s = 0.0
        self._say(logging.INFO, f"connected to {self._account.broker.shown}")

    def _lost(self, why: str, state: State) -> None:
        if state == "taken":
            self._link.drop()  # what the broker remembers under our id is the other's now
            if time.monotonic() - self._connected_s > TAKEN_LONGEST_S:
                self._taken.worked()
            delay_s = self._taken.failed()
        else:
            self._link.hang_up()
            delay_s = self._delays.failed()
        self.state, self._lost_by = state, why
        if not self._stopping:
            after = f" in {delay_s:.0f} s" if state == "taken" else ""
            self._say(logging.WARNING, f"{self._account.broker.shown}: {why}; trying again{after}")
        until = time.monotonic() + delay_s
        while not self._stopping and (left_s := until - time.monotonic()) > 0:
            self._link.sleep(left_s)

    def _say(self, level: int, text: str) -> None:
        if self._once(text):
            logger.log(level, "mqtt: %s", text)

    def _send(self) -> None:
        self._send_status()
        self._send_events()
        for stream, make in self._streams:
            self._send_newest(stream, make)

    def _send_events(self) -> None:
        if self._queue.refused:
            if time.monotonic() > self._retry_s and not self._link.unanswered:
                self._queue.retry()
            return
        while self._link.room and (event := self._queue.next()) is not None:
            try:
                identifier = self._link.send(self._messages.event(event))
            except ValueError as error:
                self._note("event", str(error))
                self._queue.hold()
                return
            self._queue.taken(identifier or 0)
            if identifier is None:  # the broker takes QoS 0 only
                self._queue.answered(0, refused=False)

    def _send_status(self) -> None:
        now = time.monotonic()
        if now < self._look_s or not (self._link.room and self._link.idle):
            return
        self._look_s = now + LOOK_S
        told = self._service.status()
        shown = _essence(told)
        if shown != self._shown or now >= self._status_s:
            self._announce(told)
            self._shown, self._status_s = shown, now + STATUS_S
            self._link.send(self._messages.status(told))

    def _announce(self, told: StatusDocument) -> None:
        """Tell Home Assistant what there is, when there is something new; before the status, which it needs then."""
        view = self._service.view
        messages = [] if view is None else self._messages.discovery(view, told)
        if messages == self._announced:
            return
        for message in messages:
            if not self._link.room:
                return  # the next look goes on
            self._link.send(message)
            self._messages.discovered(message)
        self._announced = messages

    def _send_newest(self, stream: Stream, make: Callable[[Result], Message | None]) -> None:
        """One at a time, and only when the last one is on its way: what waits here stays the newest."""
        if not (self._link.idle and self._link.room):
            return
        result = stream.take()
        if result is None:
            return
        try:
            message = make(result)
            if message is None:
                return
            stream.flying = self._link.send(message)
        except ValueError as error:
            self._note(stream.name, str(error))
            return
        stream.sent += 1
        if stream.flying is None:
            self._note(stream.name, None)

    def _answered(self, identifier: int, refused: str | None) -> None:
        if refused is None:
            self._delays.worked()
        else:
            refused = f"the broker refuses a message: {refused}"
        if self._queue.answered(identifier, refused=refused is not None):
            self._note("event", refused)
            return
        name = next((stream.name for stream, _ in self._streams if stream.answered(identifier)), "status")
        self._note(name, refused)

    def _note(self, name: str, refused: str | None) -> None:
        """Remember what the broker does not want, until it takes it."""
        others = {key: why for key, why in self._refusals.items() if key != name}
        self._refusals = others if refused is None else {**others, name: refused}
        if refused is not None:
            self._retry_s = time.monotonic() + RETRY_S
            self._say(logging.WARNING, refused)

    def _say_goodbye(self) -> None:
        """Our own word instead of the will, which speaks of a lost connection."""
        if self.state != "connected":
            return
        deadline = Deadline(GOODBYE_S)
        try:
            self._link.send(self._messages.gone("stopped"))
            while (self._link.unanswered or not self._link.idle) and not deadline.over:
                self._link.wait(0.05)
            self._link.end()
        except (Lost, ValueError):
            self._link.drop()


def _essence(told: StatusDocument) -> Any:
    """What makes a status another one; numbers that change all the time don't."""
    cameras = {name: (camera.state, camera.source) for name, camera in told.cameras.items()}
    sinks = {name: (sink.state, sink.error) for name, sink in told.sinks.items()}
    keys = {"state", "message", "ready", "healthy", "degraded", "model", "model_sha256", "backend", "reload"}
    change = told.deployment and (told.deployment.at, told.deployment.stage)
    return told.model_dump(include=keys), cameras, sinks, change
