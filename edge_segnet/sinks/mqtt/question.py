"""One question to a broker, on a connection of its own: would it take us? No will, another client id and nothing
published, so that a running service is not disturbed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_segnet.core.pace import Deadline
from edge_segnet.sinks.mqtt.account import Account
from edge_segnet.sinks.mqtt.protocol import OLD_S, TOO_OLD, reason_of

LIMIT_S: Final = 3.0
"""For TCP, TLS and an answer; the doctor asks while somebody waits."""
REFUSED: Final = "the broker refuses"
CLOSED: Final = "it closed the connection at once"
SILENT: Final = "it does not answer"
_UNKNOWN_VERSION: Final = f"{REFUSED}: unsupported protocol version"


def _patient() -> bool:
    return False


def try_connect(who: Account, limit_s: float = LIMIT_S) -> str:
    """Connect and say goodbye; empty: welcome, else why not."""
    answer = _ask(who, MQTTProtocolVersion.MQTTv5, limit_s, _patient)
    if answer == _UNKNOWN_VERSION or (answer in (CLOSED, SILENT) and is_older(who)):
        return TOO_OLD
    return answer


def is_older(who: Account, give_up: Callable[[], bool] = _patient) -> bool:
    """Whether a broker that does not answer to MQTT 5 (some close, some let the connection hang) answers to 3.1.1.

    ``give_up`` is asked ten times a second.
    """
    answer = _ask(who, MQTTProtocolVersion.MQTTv311, OLD_S, give_up)
    return answer == "" or answer.startswith(REFUSED)


def _ask(who: Account, version: MQTTProtocolVersion, limit_s: float, give_up: Callable[[], bool]) -> str:
    answers: list[str] = []

    def connected(client: Client, _data: Any, _flags: Any, reason: Any, _told: Any) -> None:
        answers.append(f"{REFUSED}: {str(reason).lower()}" if reason.is_failure else "")
        client.disconnect()

    client_id = f"{who.client_id[:48]}-asks-{os.getpid()}"
    client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=version, reconnect_on_failure=False)
    client.on_connect = connected
    client.connect_timeout = limit_s
    client.username_pw_set(who.user, who.password)
    if who.tls is not None:
        client.tls_set_context(who.tls)
    deadline = Deadline(limit_s)
    try:
        client.connect(who.broker.host, who.broker.port, keepalive=60)
        while not answers and not deadline.over and client.socket() is not None and not give_up():
            client.loop(0.1)
    except (OSError, ValueError) as error:
        return reason_of(error)
    if answers:
        return answers[0]
    return CLOSED if client.socket() is None else SILENT
