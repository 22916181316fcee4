"""Who may watch: which addresses need a token, where the token comes from, and how it is compared.

One rule for every way in (HTTP, RTSP): this machine's own addresses are open unless the config says otherwise; any
other needs a token, or ``auth: none`` in plain words.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import os
import stat
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import Key, SettingsError, dotted
from edge_segnet.settings.sections import Auth, TokenCredential, TokenFile

MIN_TOKEN: Final = 16
"""Characters: 64 bits even of hexadecimal digits."""
MAX_TOKEN: Final = 1024
"""Characters: with it a header stays far below what servers and proxies take (``MAX_HEADER`` here)."""
_MAKE_ONE: Final = "make one with (umask 077; openssl rand -hex 32 > {path})"

_log = logging.getLogger(__name__)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``: ``localhost`` or an address of the loopback interface, in
    brackets or not. Other names are not looked up: what they mean may change.
    """
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def load_token(auth: Auth | None, host: str, what: str) -> str | None:
    """The token that clients of ``what`` (``http``, ``rtsp``: the section of the config) must show, or None where
    none is needed. It is printable ASCII without spaces, so it can stand in any header.

    Raises:
        SettingsError: an address that others can reach has no ``auth``; the token can't be read, or is too short.
    """
    if auth is None:
        if is_loopback(host):
            return None
        raise SettingsError(
            f"{host} can be reached from other machines and {what}.auth is not set",
            hint="give it auth: {token_file: /etc/edge-segnet/token}, or auth: none if everyone may watch",
            key=(what, "host"),
        )
    if isinstance(auth, TokenFile):
        return _token(auth.token_file, (what, "auth", "token_file"))
    if isinstance(auth, TokenCredential):
        key: Key = (what, "auth", "token_credential")
        return _token(credential(auth.token_credential, key, "or use token_file"), key)
    return None


def same(given: str, token: str) -> bool:
    """Whether a client's token is the right one; takes the same time wherever they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode("utf-8"))


def credential(name: str, key: Key, otherwise: str) -> Path:
    """The file of a secret that systemd hands over; ``key`` of the settings names it, ``otherwise`` ends the hint.

    Raises:
        SettingsError: systemd gave none.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise SettingsError(
            f"{name} is a systemd credential and systemd gave none to this process",
            hint=f"start it by a unit with LoadCredential={name}:/etc/edge-segnet/{name}, {otherwise}",
            key=key,
        )
    return Path(folder, name)


def read_secret(path: Path, key: Key, limit: int, hint: str) -> bytes:
    """The first ``limit`` bytes of a file that only few should read; warns if everyone can.

    Raises:
        SettingsError: no file, or it can't be read.
    """
    try:
        # A pipe must not hang the start.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise SettingsError(f"{path} is no file", hint=hint, key=key)
            data = file.read(limit)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}", hint=hint, key=key) from error
    if mode & stat.S_IRWXO:
        _log.warning("%s: every user of this machine can read or change %s; chmod o= %s", dotted(key), path, path)
    return data


def _token(path: Path, key: Key) -> str:
    hint = _MAKE_ONE.format(path=path)
    token = read_secret(path, key, MAX_TOKEN + 3, hint).decode("ascii", "replace").rstrip("\r\n")
    if fault := _fault(token):
        raise SettingsError(f"{path}: {fault}", hint=hint, key=key)
    return token


def _fault(token: str) -> str:
    if len(token) > MAX_TOKEN:
        return f"more than {MAX_TOKEN} characters"
    if not all("!" <= character <= "~" for character in token):
        return "a token is one line of letters, digits and punctuation, no spaces"
    return "" if len(token) >= MIN_TOKEN else f"{len(token)} characters, at least {MIN_TOKEN} are needed"
