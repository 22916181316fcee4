"""Where an MQTT broker listens, as text; and what may be a place on the network at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import urlsplit

from edge_segnet.core.errors import UsageError

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?", re.ASCII)
"""253 characters at most (RFC 1035, 2.3.4, without the length octets), and a dot behind them."""


@dataclass(frozen=True)
class BrokerUri:
    """Where an MQTT broker listens."""

    host: str
    port: int
    tls: bool

    @property
    def shown(self) -> str:
        """For logs and status."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def parse_broker(text: str) -> BrokerUri:
    """Understand ``mqtt://HOST[:1883]`` or ``mqtts://HOST[:8883]``.

    Raises:
        UsageError: another scheme, a bad host or port, a user or password (they have keys of their own); the message
            never holds a password.
    """
    example = "for example mqtt://192.168.1.10 or mqtts://broker.example:8883"
    scheme, separator, place = text.partition("://")
    if not separator or scheme.lower() not in ("mqtt", "mqtts"):
        name = f"{scheme}://" if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,30}", scheme, re.ASCII) else "?"
        raise UsageError(f"{name}: no broker's scheme", hint=example)
    if "@" in place:
        hint = "give them as user and password_file"
        raise UsageError(f"{scheme}://: user and password don't belong into the address", hint=hint)
    place = place.removesuffix("/")
    if fault := place_fault(place) if re.fullmatch(r"[A-Za-z0-9.:_\[\]-]*", place) else "no plain HOST or HOST:PORT":
        raise UsageError(f"{scheme}://: {fault} in {place!r}", hint=example)
    parts, tls = urlsplit(f"//{place}"), scheme.lower() == "mqtts"
    return BrokerUri(parts.hostname or "", parts.port or (8883 if tls else 1883), tls)


def place_fault(place: str) -> str:
    """What is wrong with HOST or HOST:PORT; empty: nothing."""
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "", parts.port
        if place.startswith("["):
            IPv6Address(host)
    except ValueError:
        return "no valid HOST or HOST:PORT"
    if not host:
        return "no host"
    if not place.startswith("[") and not _NAME.fullmatch(host):
        return "no valid host name"
    return "port 0" if port == 0 else ""
