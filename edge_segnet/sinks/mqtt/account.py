"""Who we are to the broker, and how we know that it is the broker."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import Key, SettingsError
from edge_segnet.core.places import BrokerUri, parse_broker
from edge_segnet.sinks.access import credential, read_secret
from edge_segnet.sinks.mqtt.settings import MqttConfig

MAX_PASSWORD: Final = 4096
"""Bytes: some clouds take a signed token as the password."""


@dataclass(frozen=True)
class Account:
    """All that a connection needs."""

    broker: BrokerUri
    client_id: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    keepalive_s: int = 10


def account(config: MqttConfig) -> Account:
    """Read password and certificates.

    Raises:
        SettingsError: one of them can't be used.
    """
    broker = parse_broker(config.url)
    tls = _context(config) if broker.tls else None
    client_id = config.client_id or f"edge-segnet-{_fingerprint(config.prefix)}"
    return Account(broker, client_id, config.user, _password(config), tls, config.keepalive_s)


def identity(client_id: str) -> str:
    """The client id as letters, digits and underscores."""
    return re.sub(r"[^A-Za-z0-9]", "_", client_id)


def _fingerprint(prefix: str) -> str:
    """Lasting, so that a broker that still holds our last connection knows that this one takes its place."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        machine = ""
    # Only a hash: machine-id(5) asks not to show the id itself.
    return hashlib.sha256(f"{machine or socket.gethostname()} {prefix}".encode()).hexdigest()[:12]


def _password(config: MqttConfig) -> str | None:
    if config.password_credential is not None:
        key: Key = ("mqtt", "password_credential")
        path = credential(config.password_credential, key, "or use password_file")
    elif config.password_file is not None:
        key, path = ("mqtt", "password_file"), config.password_file
    else:
        return None
    hint = "it holds the password and nothing else, in one line"
    data = read_secret(path, key, MAX_PASSWORD + 3, hint)
    try:
        password = data.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text", hint=hint, key=key) from error
    if not password or not password.isprintable() or len(data) > MAX_PASSWORD + 2:
        what = "empty" if not password else f"not one line of at most {MAX_PASSWORD} bytes"
        raise SettingsError(f"{path}: {what}", hint=hint, key=key)
    return password


def _context(config: MqttConfig) -> ssl.SSLContext:
    """TLS 1.2 or newer; the broker's certificate and name are always checked."""
    files = config.tls
    authority = None if files is None else files.ca
    try:
        context = ssl.create_default_context(cafile=authority)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        what = f"{authority}: {_reason(error)}"
        raise SettingsError(what, hint="it must be a PEM file", key=("mqtt", "tls", "ca")) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files is not None and files.certificate is not None and files.key is not None:
        # A key with a passphrase would make OpenSSL ask at the terminal.
        try:
            context.load_cert_chain(files.certificate, files.key, password="")
        except (OSError, ValueError) as error:
            what = f"{files.certificate}, {files.key}: {_reason(error)}"
            hint = "PEM files that belong together, the key without a passphrase"
            raise SettingsError(what, hint=hint, key=("mqtt", "tls")) from error
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not usable").lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error)
