"""Listening sockets and TLS, the same for every server in here."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import Any, Final

from edge_segnet.core.errors import SettingsError
from edge_segnet.settings.sections import Tls

SEND_BUFFER: Final = 64 * 1024
"""Bytes that wait in the kernel for a slow reader (Linux doubles it): every further one is an older frame."""
BACKLOG: Final = 128
"""Linux's own bound until 5.4 (``net.core.somaxconn``); more would be cut there."""
SOCKET_OPTIONS: Final = (
    (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
    (socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),  # a peer whose plug was pulled says no goodbye
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
"""Accepted connections inherit them."""


def tls_context(tls: Tls | None, what: str) -> ssl.SSLContext | None:
    """The server's side of TLS, None without; ``what`` is the section of the settings.

    Raises:
        SettingsError: the certificate or key can't be read, or they don't belong together.
    """
    if tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate, key = tls.certificate, tls.key
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except OSError as error:  # ssl.SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        missing = next((path for path in (certificate, key) if not path.is_file()), None)
        files = str(missing or f"{certificate}, {key}")
        hint = "check the path and its rights" if missing else "both are PEM, and the key has no passphrase"
        raise SettingsError(f"{files}: {reason}", hint=hint, key=(what, "tls")) from error
    return context


async def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets at every address of ``host``; raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            # Port 0: the same free one at every address.
            own = sockets[0].getsockname()[1] if port == 0 and sockets else port
            try:
                sockets.append(_listener(family, kind, protocol, (address[0], own, *address[2:])))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                absent = error  # localhost is ::1, too, and this kernel may have no IPv6
        if absent and not sockets:
            raise absent
    except OSError:
        for listener in sockets:
            listener.close()
        raise
    return sockets


def _listener(family: int, kind: int, protocol: int, address: tuple[Any, ...]) -> socket.socket:
    listener = socket.socket(family, kind, protocol)
    try:
        if family == socket.AF_INET6:
            dual = address[0] == "::"  # all addresses of this machine, old and new
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not dual))
        for level, option, value in SOCKET_OPTIONS:
            listener.setsockopt(level, option, value)
        listener.setblocking(False)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
