"""What a link says and hears: messages, limits, reasons; and paho's client, tamed."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Final, Literal

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MessageState, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_segnet.sinks.mqtt.account import Account

CONNECT_S: Final = 3.0
"""For one address to answer on TCP, and for TLS's handshake."""
SESSION_S: Final = 3600
"""How long the broker should remember what is under way while we are away."""
FROM_BROKER_MAX: Final = 16_384
"""Bytes of one packet; answers to a client that subscribes to nothing have a few hundred at most."""
UNDER_WAY_MAX: Final = 16
"""Unanswered messages; less than any broker's limit that is known (20 is mosquitto's)."""
AROUND: Final = 1024
"""Bytes of a PUBLISH packet beside topic and payload, at most."""
SEND_BUFFER: Final = 131_072
"""Bytes that the kernel takes for a broker that does not read: what lies there is old when it arrives."""
PACKET_MAX: Final = 268_435_455
"""Bytes (MQTT 5.0, 1.5.5)."""
FAILURE: Final = 0x80
"""Reason codes from here on are failures (MQTT 5.0, 2.4)."""
UNSUPPORTED_VERSION: Final = 0x84
KEEP_ALIVE_TIMEOUT: Final = 0x8D
TAKEN_OVER: Final = 0x8E
"""Reason codes (MQTT 5.0, 2.4)."""


ANSWER_S: Final = 1.0
"""Without an answer for so long, a broker is asked whether it speaks the older protocol: a good one needs a few round
trips, and the question costs it one connection."""
OLD_S: Final = 1.5
"""For that question; with ``ANSWER_S`` within the shortest keepalive."""
TOO_OLD: Final = (
    "the broker speaks MQTT 3.1.1, and does not take MQTT 5 (mosquitto does since 1.6; some ask for a setting)"
)
CLOSED_OFTEN, OFTEN_S = 5, 30.0
"""So many welcomes in so long, each followed by an orderly end without a word: what mosquitto up to 2.0 does to the
older of two clients with one id. Two services that fight for it get there within seconds; a broker that is restarted
says goodbye, and one that is killed does not come back so often."""

State = Literal["connecting", "connected", "disconnected", "refused", "taken"]


class Lost(Exception):
    """There is no connection; ``state``: "refused" if the broker answered and does not want us, "taken" if another
    client came with our client id.
    """

    def __init__(self, reason: str, state: State = "disconnected") -> None:
        super().__init__(reason)
        self.state: State = state


@dataclass(frozen=True)
class Message:
    """What is published; ``expiry_s``: the broker need not keep it for longer; ``facts`` become user properties."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    expiry_s: int | None = None
    content_type: str = "application/json"
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Limits:
    """What the broker told us at the connection."""

    qos: int = 2
    retain: bool = True
    packet: int = PACKET_MAX
    under_way: int = UNDER_WAY_MAX

    @classmethod
    def of(cls, told: Properties | None) -> Limits:
        """From the properties of CONNACK."""
        return cls(
            qos=getattr(told, "MaximumQoS", 2),
            retain=bool(getattr(told, "RetainAvailable", 1)),
            packet=getattr(told, "MaximumPacketSize", PACKET_MAX),
            under_way=min(UNDER_WAY_MAX, getattr(told, "ReceiveMaximum", UNDER_WAY_MAX)),
        )


class PahoClient(Client):
    """paho's client, with two of its gaps in QoS 2 closed."""

    refused: dict[int, int]
    """Packet identifier -> reason code."""

    def keep_released(self) -> None:
        """Before a second try to resume: the first one made paho forget which messages the broker has passed on, and
        it would send them anew instead of asking for the answer that is missing.
        """
        for message in self._out_messages.values():
            if message.state == MessageState.MQTT_MS_RESEND_PUBREL:
                message.state = MessageState.MQTT_MS_WAIT_FOR_PUBCOMP

    def _handle_pubrec(self) -> MQTTErrorCode:
        """Notice a refusal: paho takes PUBREC for a success, whatever its reason code says."""
        packet = bytes(self._in_packet["packet"])  # packet identifier, then the reason code unless it is 0
        if len(packet) > 2 and packet[2] >= FAILURE:
            self.refused[int.from_bytes(packet[:2], "big")] = packet[2]
        return super()._handle_pubrec()

    @property
    def incoming(self) -> int:
        """Bytes of the packet that the broker is sending."""
        return int(self._in_packet["remaining_length"])


def new_client(account: Account, will: Message) -> PahoClient:
    """A client without a connection. Who uses it calls ``loop_read``, ``loop_write`` and ``loop_misc``."""
    client = PahoClient(CallbackAPIVersion.VERSION2, account.client_id, protocol=MQTTv5, reconnect_on_failure=False)
    client.refused = {}
    client.connect_timeout = CONNECT_S
    client.username_pw_set(account.user, account.password)
    if account.tls is not None:
        client.tls_set_context(account.tls)
    properties = Properties(PacketTypes.WILLMESSAGE)
    properties.ContentType = will.content_type
    client.will_set(will.topic, will.payload, will.qos, will.retain, properties)
    client.on_socket_open = _on_socket_open
    return client


def _on_socket_open(_client: Client, _data: Any, network: Any) -> None:
    with contextlib.suppress(OSError):
        network.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        # paho reads a hundred times before it gives us a chance to look.
        network.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, FROM_BROKER_MAX)
        network.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def connect_properties() -> Properties:
    """Of CONNECT."""
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = SESSION_S
    properties.MaximumPacketSize = FROM_BROKER_MAX
    return properties


def message_properties(message: Message) -> Properties:
    """Of PUBLISH."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = message.content_type
    if message.expiry_s is not None:
        properties.MessageExpiryInterval = message.expiry_s
    if message.facts:
        properties.UserProperty = list(message.facts)
    return properties


def goodbye_properties() -> Properties:
    """Of DISCONNECT: the broker may forget us."""
    properties = Properties(PacketTypes.DISCONNECT)
    properties.SessionExpiryInterval = 0
    return properties


def refusal(code: int) -> str:
    """A reason code in words."""
    try:
        return str(ReasonCode(PacketTypes.PUBREC, "", code)).lower()
    except KeyError:
        return f"reason code {code}"


def reason_of(error: Exception) -> str:
    """Why there is no connection: one line, without a number in brackets."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or str(error)).lower().replace('_', ' ')}"
    if isinstance(error, TimeoutError):
        return "the broker does not answer"
    return " ".join((getattr(error, "strerror", None) or str(error)).split())
