"""The MQTT broker: name, TCP, TLS, and whether it takes our user."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge_segnet.core.errors import SettingsError
from edge_segnet.doctor.cameras import advice, refused_by_unit
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.report import OUTSIDE, SETTINGS, Finding, green, red
from edge_segnet.doctor.settings import not_handed_over
from edge_segnet.sinks.mqtt.settings import MqttConfig

if TYPE_CHECKING:
    from edge_segnet.sinks.mqtt.account import Account


def check(context: Context) -> Iterator[Finding]:
    """Connects without a will and under a name of its own, so that a running service is not disturbed."""
    mqtt = None if context.config is None else context.config.section("mqtt", MqttConfig)
    # Without the extra there is no MQTT at all, which the check of the sections tells.
    if mqtt is not None and context.config is not None and importlib.util.find_spec("paho") is not None:
        from edge_segnet.sinks.mqtt.account import account

        try:
            who = account(mqtt)
        except SettingsError as error:
            if (unseen := not_handed_over(error)) and mqtt.password_credential is not None:
                who = account(mqtt.model_copy(update={"password_credential": None, "user": None}))
                yield _reached(context, who, mqtt, unseen)
                return
            placed = context.config.placed(error)
            yield red("broker", SETTINGS, placed.message, placed.hint)
        else:
            yield _reached(context, who, mqtt, "")


def _reached(context: Context, who: Account, mqtt: MqttConfig, without: str) -> Finding:
    place = who.broker
    shown = f"{place.host}:{place.port}"
    from edge_segnet.sinks.mqtt.protocol import TOO_OLD
    from edge_segnet.sinks.mqtt.question import CLOSED, REFUSED, try_connect

    answer = try_connect(who)
    if answer == "" or (answer.startswith(REFUSED) and without):
        if blocked := refused_by_unit(context, place.host, place.port):
            return red("broker", OUTSIDE, f"{shown}: {blocked[0]}", blocked[1])
        words = f"{shown} answers; the password was not tried: {without}" if without else f"{shown} takes {_name(mqtt)}"
        return green("broker", f"{words}{', over TLS' if place.tls else ''}")
    remedy = advice(place.host, place.port, answer)
    if answer.startswith(REFUSED):
        remedy = "mqtt.user and its password, or the broker's rules (client ids, access lists)"
    elif "certificate" in answer or "TLS" in answer:
        remedy = "mqtt.tls.ca must be the authority that signed the broker's certificate; is it a TLS port?"
    elif answer == TOO_OLD:
        remedy = "a newer broker, or its setting for MQTT 5"
    elif answer == CLOSED:
        remedy = "a TLS port needs mqtts://; does it let clients without TLS in at all?"
    return red("broker", OUTSIDE, f"{shown}: {answer}", remedy)


def _name(mqtt: MqttConfig) -> str:
    return f"the user {mqtt.user}" if mqtt.user else "us without a user"
