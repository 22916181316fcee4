"""The MQTT broker: name, TCP, TLS, and whether it takes our user."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any, Final

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from edge_segnet.config_messages import MqttConfig
from edge_segnet.doctor.cameras import refused_by_unit
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.report import OUTSIDE, SETTINGS, Finding, green, red
from edge_segnet.doctor.settings import not_handed_over
from edge_segnet.errors import ConfigError
from edge_segnet.sinks.mqtt.account import Account, account
from edge_segnet.sinks.mqtt.protocol import reason_of

LIMIT_S: Final = 3.0


def check(context: Context) -> Iterator[Finding]:
    """Connects without a will and under a name of its own, so that a running service is not disturbed."""
    mqtt = None if context.config is None else context.config.mqtt
    if mqtt is not None and context.config is not None:
        try:
            who = account(mqtt)
        except ConfigError as error:
            if (unseen := not_handed_over(error)) and mqtt.password_credential is not None:
                who = account(mqtt.model_copy(update={"password_credential": None, "user": None}))
                yield _reached(context, who, mqtt, unseen)
                return
            key, _, words = error.message.partition(": ")
            placed = context.config.error(tuple(key.split(".")), words, error.hint)
            yield red("broker", SETTINGS, placed.message, placed.hint)
        else:
            yield _reached(context, who, mqtt, "")


def _reached(context: Context, who: Account, mqtt: MqttConfig, without: str) -> Finding:
    place = who.broker
    shown = f"{place.host}:{place.port}"
    answer = try_connect(who)
    if answer == "" or (answer.startswith(REFUSED) and without):
        if blocked := refused_by_unit(context, place.host, place.port):
            return red("broker", OUTSIDE, f"{shown}: {blocked[0]}", blocked[1])
        words = f"{shown} answers; the password was not tried: {without}" if without else f"{shown} takes {_name(mqtt)}"
        return green("broker", f"{words}{', over TLS' if place.tls else ''}")
    remedy = f"is it on, in this network, and on port {place.port}? ping {place.host}"
    if answer.startswith(REFUSED):
        remedy = "mqtt.user and its password, or the broker's rules (client ids, access lists)"
    elif "certificate" in answer or "TLS" in answer:
        remedy = "mqtt.tls.ca must be the authority that signed the broker's certificate; is it a TLS port?"
    elif "connection" in answer.lower() and place.tls is False:
        remedy += "; a TLS port needs mqtts://"
    return red("broker", OUTSIDE, f"{shown}: {answer}", remedy)


def _name(mqtt: MqttConfig) -> str:
    return f"the user {mqtt.user}" if mqtt.user else "us without a user"


REFUSED: Final = "the broker refuses"


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
    deadline = time.monotonic() + limit_s
    try:
        client.connect(who.broker.host, who.broker.port, keepalive=60)
        while not answers and time.monotonic() < deadline and client.socket() is not None:
            client.loop(0.1)
    except (OSError, ValueError) as error:
        return reason_of(error)
    if answers:
        return answers[0]
    closed = client.socket() is None
    return "it closed the connection: no MQTT 5 broker, or it wants TLS" if closed else "it does not answer"
