"""One connection to a broker that may be slow, frozen or hostile. Everything happens on the thread that calls; only
``wake`` and ``hurry`` may be called from another.

paho does the protocol. What it leaves open is bounded here: how long an answer may take, how much the broker may send,
how many messages are under way.
"""

from __future__ import annotations

import contextlib
import select
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_segnet.core.pace import Deadline, Waker
from edge_segnet.sinks.mqtt import protocol
from edge_segnet.sinks.mqtt.account import Account
from edge_segnet.sinks.mqtt.protocol import Limits, Lost, Message, PahoClient, State
from edge_segnet.sinks.mqtt.question import is_older

CLOSED: Final = "the broker closed the connection"
RUBBISH: Final = "the broker sent what nobody understands"


class Link:
    """Opened again and again; a connection that ends raises ``Lost`` from whatever is under way."""

    def __init__(self, account: Account, will: Message, answered: Callable[[int, str | None], None]) -> None:
        """``answered`` hears (message identifier, None or why it was refused) of messages with QoS 1 or 2."""
        self._account, self._will, self._answered = account, will, answered
        self._closing = False
        self._ends: deque[float] = deque(maxlen=protocol.CLOSED_OFTEN)
        """When the broker last closed a good connection in order, without a word."""
        self._client: PahoClient | None = None
        self._under_way: dict[int, float] = {}
        self._welcome: ReasonCode | None = None
        self._reason = ""
        self._state: State = "disconnected"
        self._bell = Waker()
        self._limits = Limits()

    def open(self, resume: bool) -> None:
        """Connect. ``resume``: go on with what was under way; otherwise that is forgotten.

        Raises:
            Lost: no success, or the broker no longer knows what was under way (then it is forgotten here, too).
        """
        if not resume or self._client is None:
            self.drop()
            self._client = self._new_client()
        self._client.keep_released()
        self._reason, self._state, self._welcome = "", "disconnected", None
        self._under_way = dict.fromkeys(self._under_way, time.monotonic())
        place, keepalive_s = self._account.broker, self._account.keepalive_s
        properties = protocol.connect_properties()
        try:
            self._client.connect(place.host, place.port, keepalive_s, clean_start=not resume, properties=properties)
        except (OSError, ValueError) as error:
            raise Lost(protocol.reason_of(error)) from error
        welcome = self._wait_for_welcome(Deadline(keepalive_s), Deadline(protocol.ANSWER_S))
        if welcome.value == protocol.UNSUPPORTED_VERSION:
            raise Lost(protocol.TOO_OLD, "refused")
        if welcome.is_failure:
            raise Lost(f"the broker refuses: {str(welcome).lower()}", "refused")

    def _wait_for_welcome(self, deadline: Deadline, patience: Deadline) -> ReasonCode:
        asked = False
        while not deadline.over:
            try:
                self.wait(0.25)
            except Lost as lost:
                if asked or str(lost) != CLOSED:
                    raise
                self._ask()
                raise
            if self._welcome is not None:
                return self._welcome
            if patience.over and not asked:
                asked = True
                self._ask()
        raise Lost(self._silence)

    def _ask(self) -> None:
        """Raises Lost: the broker, which has not answered, speaks the older protocol only."""
        if is_older(self._account, lambda: self._closing):
            raise Lost(protocol.TOO_OLD, "refused") from None

    def _new_client(self) -> PahoClient:
        client = protocol.new_client(self._account, self._will)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_log = self._on_log
        return client

    def _on_connect(self, client: Client, _data: Any, flags: Any, reason: ReasonCode, told: Properties | None) -> None:
        self._welcome, self._limits = reason, Limits.of(told)
        if self._under_way and not flags.session_present and not reason.is_failure:
            # paho would go on where the broker knows nothing of; a disconnect before that keeps it from being sent.
            client.disconnect()
            self._under_way = {}
            self._reason = "the broker was started anew"

    def _on_disconnect(self, _client: Client, _data: Any, flags: Any, reason: ReasonCode, _told: Any) -> None:
        if reason.value == protocol.TAKEN_OVER:
            self._state = "taken"
            self._reason = f"another client came with our client id: {self._rename}"
        elif flags.is_disconnect_packet_from_server and reason.value:
            self._reason = f"the broker ended the connection: {str(reason).lower()}"
        elif reason.value == protocol.KEEP_ALIVE_TIMEOUT:
            self._reason = self._silence

    def _on_publish(self, client: Client, _data: Any, identifier: int, reason: ReasonCode, _told: Any) -> None:
        if self._under_way.pop(identifier, None) is None:
            return  # QoS 0
        assert isinstance(client, PahoClient)
        code = client.refused.pop(identifier, reason.value)
        self._answered(identifier, protocol.refusal(code) if code >= protocol.FAILURE else None)

    def _on_log(self, _client: Client, _data: Any, _level: int, line: str) -> None:
        if line.startswith("Received PUBLISH"):
            self._reason = "the broker sends messages that nobody asked for"

    @property
    def _silence(self) -> str:
        return f"the broker has answered nothing for {self._account.keepalive_s} s"

    def hurry(self) -> None:
        """The end is near: ask no more questions; from any thread."""
        self._closing = True
        self.wake()

    def wake(self) -> None:
        """End a ``wait`` or ``sleep`` early; from any thread."""
        self._bell.ring()

    def sleep(self, seconds: float) -> None:
        """Wait for ``wake`` only."""
        self._bell.wait(seconds)

    def wait(self, timeout_s: float) -> None:
        """Send and receive what there is; return when something happened, after ``wake``, or after ``timeout_s``.

        Raises:
            Lost: the connection is gone.
        """
        client = self._client
        network = None if client is None else client.socket()
        if client is None or network is None:
            raise Lost(self._reason or CLOSED, self._state)
        buffered = network.pending() if isinstance(network, ssl.SSLSocket) else 0
        ready = self._poll(network.fileno(), client.want_write(), 0.0 if buffered else timeout_s)
        in_order = bool(ready & select.POLLRDHUP) and not ready & select.POLLERR
        try:
            if (buffered or ready & ~select.POLLOUT) and client.loop_read() == MQTTErrorCode.MQTT_ERR_PROTOCOL:
                self._reason = "" if self._is_refused else RUBBISH
            if ready & select.POLLOUT:
                client.loop_write()
            client.loop_misc()
        except Exception as error:
            raise Lost(RUBBISH) from error
        if in_order and client.socket() is None and not self._reason and self._welcome is not None:
            self._closed_in_order()
        self._check(client)

    def _closed_in_order(self) -> None:
        if self._is_refused:
            return
        self._ends.append(time.monotonic())
        if len(self._ends) == protocol.CLOSED_OFTEN and self._ends[-1] - self._ends[0] < protocol.OFTEN_S:
            self._ends.clear()
            self._state = "taken"
            self._reason = f"{CLOSED} again and again, as if another client had our client id: {self._rename}"

    def _poll(self, network: int, writes: bool, timeout_s: float) -> int:
        poll = select.poll()
        poll.register(network, select.POLLIN | select.POLLRDHUP | (select.POLLOUT if writes else 0))
        poll.register(self._bell.fd, select.POLLIN)
        ready = dict(poll.poll(1e3 * timeout_s))
        if self._bell.fd in ready:
            self._bell.heard()
        return ready.get(network, 0)

    def _check(self, client: PahoClient) -> None:
        if client.incoming > protocol.FROM_BROKER_MAX:
            self._reason = f"the broker sends a packet of more than {protocol.FROM_BROKER_MAX} bytes"
        if self._under_way and time.monotonic() - min(self._under_way.values()) > self._account.keepalive_s:
            self._reason = self._silence
        if self._reason or (client.socket() is None and not self._is_refused):
            raise Lost(self._reason or CLOSED, self._state)

    @property
    def _rename(self) -> str:
        return f"if two services are {self._account.client_id}, give one of them another mqtt.client_id"

    @property
    def _is_refused(self) -> bool:
        return self._welcome is not None and self._welcome.is_failure

    @property
    def idle(self) -> bool:
        """Whether the kernel took everything that was sent so far."""
        return self._client is not None and not self._client.want_write()

    @property
    def room(self) -> bool:
        """Whether one more message with QoS 1 or 2 may be under way."""
        return len(self._under_way) < self._limits.under_way

    @property
    def unanswered(self) -> int:
        """Messages with QoS 1 or 2 that are under way."""
        return len(self._under_way)

    def send(self, message: Message) -> int | None:
        """Publish; gives the identifier that ``answered`` will hear, None for QoS 0.

        Raises:
            Lost: the connection is gone.
            ValueError: the broker takes no message that long.
        """
        if len(message.payload) + len(message.topic) + protocol.AROUND > self._limits.packet:
            size = f"{len(message.payload)} bytes, the broker takes {self._limits.packet}"
            raise ValueError(f"{message.topic}: a message of {size}")
        if self._client is None:
            raise Lost(CLOSED)
        qos, retain = min(message.qos, self._limits.qos), message.retain and self._limits.retain
        properties = protocol.message_properties(message)
        info = self._client.publish(message.topic, message.payload, qos, retain, properties)
        if qos == 0:
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise Lost(self._reason or CLOSED, self._state)
            return None
        # Even if the connection broke at this very message: paho has it now, and sends it when it is resumed.
        self._under_way[info.mid] = time.monotonic()
        return info.mid

    def end(self) -> None:
        """Say goodbye: the broker keeps the will to itself, and forgets the session."""
        if self._client is not None and self._client.is_connected():
            self._client.disconnect(properties=protocol.goodbye_properties())
        self.drop()

    def hang_up(self) -> None:
        """Close the socket; what is under way is kept for ``open(resume=True)``."""
        network = None if self._client is None else self._client.socket()
        if network is not None:
            with contextlib.suppress(OSError):
                network.close()

    def drop(self) -> None:
        """Close the socket and forget what is under way."""
        self.hang_up()
        self._client = None
        self._under_way = {}

    def close(self) -> None:
        """Release everything; only ``wake`` may be called after it."""
        self.drop()
        self._bell.close()
