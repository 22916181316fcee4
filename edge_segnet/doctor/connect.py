"""One try to connect to a broker; what a running service sends is not disturbed: no will, another client id."""

from __future__ import annotations

import os
from typing import Any, Final

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from edge_segnet.core.pace import Deadline
from edge_segnet.sinks.mqtt.account import Account
from edge_segnet.sinks.mqtt.protocol import reason_of

LIMIT_S: Final = 3.0
REFUSED: Final = "the broker refuses"
CLOSED: Final = "it closed the connection at once"


def try_connect(who: Account, limit_s: float = LIMIT_S) -> str:
    """Connect and say goodbye; empty: welcome, else why not. Nothing is published."""
    answers: list[str] = []

    def connected(client: Client, _data: Any, _flags: Any, reason: Any, _told: Any) -> None:
        answers.append(f"{REFUSED}: {str(reason).lower()}" if reason.is_failure else "")
        client.disconnect()

    client = Client(CallbackAPIVersion.VERSION2, f"{who.client_id[:48]}-doctor-{os.getpid()}", protocol=MQTTv5)
    client.on_connect = connected
    client.connect_timeout = limit_s
    client.username_pw_set(who.user, who.password)
    if who.tls is not None:
        client.tls_set_context(who.tls)
    deadline = Deadline(limit_s)
    try:
        client.connect(who.broker.host, who.broker.port, keepalive=60)
        while not answers and not deadline.over and client.socket() is not None:
            client.loop(0.1)
    except (OSError, ValueError) as error:
        return reason_of(error)
    if answers:
        return answers[0]
    closed = client.socket() is None
    return CLOSED if closed else "it does not answer"
