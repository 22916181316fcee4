"""Can the service listen where its settings say, and if not, who has the port?"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final

from edge_segnet.doctor.context import Context
from edge_segnet.doctor.place import Place
from edge_segnet.doctor.processes import Process, holder
from edge_segnet.doctor.report import OUTSIDE, Finding, green, red, yellow
from edge_segnet.sinks.http.settings import HttpConfig
from edge_segnet.sinks.registry import SPECS

READY_S: Final = 1.0
LISTENING: Final = "0A"
"""TCP_LISTEN in /proc/net/tcp (proc(5))."""


def check(context: Context) -> Iterator[Finding]:
    """Every server of the settings."""
    config = context.config
    if config is None:
        return
    for spec in SPECS:
        section: Any = config.section(spec.name, spec.settings)
        if section is not None and spec.listens:
            yield _port(context, spec.name, section.host, section.port)


def _port(context: Context, name: str, host: str, port: int) -> Finding:
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    reserved = context.place.number("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if 0 < port < (1024 if reserved is None else reserved) and context.user.uid != 0:
        seen = f"{shown}: ports below {reserved or 1024} are root's, and {context.user.name} is not"
        return red("port", OUTSIDE, seen, f"{name}.port: choose one above 1023", name)
    remedy = f"{name}.host must be an address of this machine: ip addr"
    try:
        _try(host, port)
    except OSError as error:  # a name that is not found is one, too
        if error.errno == errno.EADDRINUSE:
            return _taken(context, name, shown, port)
        return red("port", OUTSIDE, f"{shown}: {error.strerror}", remedy, name)
    return green("port", f"{shown} is free" if port else f"{host}: any free port", name)


def _try(host: str, port: int) -> None:
    """Bind, without listening, where the service would; raises OSError."""
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(family, kind, protocol) as one:
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(address)
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) or host != "localhost":
                    raise


def _taken(context: Context, name: str, shown: str, port: int) -> Finding:
    process = holder_of(context.place, port)
    if process is None:
        remedy = f"sudo ss -ltnp 'sport = :{port}' shows by whom"
        if context.unit is not None and context.unit["ActiveState"] == "active":
            return yellow("port", f"{shown} is taken, probably by the running service", remedy, name)
        return red("port", OUTSIDE, f"{shown} is taken by another user's program", f"{remedy}; or {name}.port", name)
    if process.own or (context.unit is not None and process.pid == context.unit.main_pid):
        return _own(context, name, f"{shown} is held by edge-segnet itself (process {process.pid})", process.pid)
    seen, remedy = f"{shown} is taken by {process}", f"end it, or choose another {name}.port"
    return red("port", OUTSIDE, seen, remedy, name, pid=process.pid)


def _own(context: Context, name: str, words: str, pid: int) -> Finding:
    http = context.config.section("http", HttpConfig) if name == "http" and context.config is not None else None
    ready = None if http is None else ask_ready(http)
    if ready is None:
        return green("port", words, name, pid=pid)
    if ready == HTTPStatus.OK:
        return green("port", f"{words}, which is ready", name, pid=pid)
    remedy = "the cameras and the model above; the reason stands in /api/status and in journalctl -u edge-segnet"
    return yellow("port", f"{words}, which is not ready ({ready})", remedy, name, pid=pid)


def ask_ready(http: HttpConfig) -> int | None:
    """The status of /readyz of a running service; None: it does not tell in time."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)
    place = f"{f'[{host}]' if ':' in host else host}:{http.port}"
    if http.tls is None:
        connection = HTTPConnection(place, timeout=READY_S)
    else:
        # It is this machine: the certificate is for the names that others call it by.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection(place, timeout=READY_S, context=context)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def holder_of(place: Place, port: int) -> Process | None:
    """Who listens on a port."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(place, port)}
    return holder(place, sockets.__contains__)


def _inodes(place: Place, port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in place.text(table).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found
