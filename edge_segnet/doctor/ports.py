"""Can the service listen where its settings say, and if not, who has the port?"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge_segnet.doctor.context import Context
from edge_segnet.doctor.place import Place, read_text
from edge_segnet.doctor.report import OUTSIDE, Finding, green, red, yellow

LISTENING: Final = "0A"
"""TCP_LISTEN in /proc/net/tcp (proc(5))."""
WORDS: Final = 3
"""``python -m edge_segnet`` has its name in the third."""


def check(context: Context) -> Iterator[Finding]:
    """Every server of the settings."""
    for name in ("http", "rtsp", "foxglove"):
        section = getattr(context.config, name) if context.config is not None else None
        if section is not None:
            yield _port(context, name, section.host, section.port)


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
    holder = find_holder(context.place, port)
    if holder is None:
        remedy = f"sudo ss -ltnp 'sport = :{port}' shows by whom"
        if context.unit is not None and context.unit["ActiveState"] == "active":
            return yellow("port", f"{shown} is taken, probably by the running service", remedy, name)
        return red("port", OUTSIDE, f"{shown} is taken by another user's program", f"{remedy}; or {name}.port", name)
    pid, program = holder
    own = re.search(r"edge[-_]segnet", program) is not None
    if own or (context.unit is not None and pid == context.unit.main_pid):
        return green("port", f"{shown} is held by edge-segnet itself (process {pid})", name, pid=pid)
    seen = f"{shown} is taken by process {pid} ({program[:60]})"
    return red("port", OUTSIDE, seen, f"end it, or choose another {name}.port", name, pid=pid)


def find_holder(place: Place, port: int) -> tuple[int, str] | None:
    """(process, the first words of its command line) that listens on a port; None: unknown, as another user's is."""
    inodes = _inodes(place, port)
    for folder in place.glob("/proc/[0-9]*"):
        if any(_socket(handle) in inodes for handle in _handles(folder)):
            # Not the whole line: arguments may be secrets.
            program, *words = read_text(folder / "cmdline").split("\0")[:WORDS]
            return int(folder.name), " ".join([Path(program).name, *words]) or read_text(folder / "comm")
    return None


def _inodes(place: Place, port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in place.text(table).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _handles(folder: Path) -> list[Path]:
    try:
        return list((folder / "fd").iterdir())
    except OSError:  # another user's, or gone
        return []


def _socket(handle: Path) -> str:
    try:
        return str(handle.readlink()).removeprefix("socket:[").removesuffix("]")
    except OSError:
        return ""
