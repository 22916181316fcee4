"""By which names clients may call this machine: a page from elsewhere that had its own name rebound to this address
calls it by that name (DNS rebinding), and is refused.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable


class Hosts:
    """This machine's names, its addresses, and what the settings add."""

    def __init__(self, more: Iterable[str]) -> None:
        self._names = frozenset(name.lower().rstrip(".") for name in (*own_names(), *more))

    def knows(self, host: str) -> bool:
        """Whether a ``Host`` header, with or without a port, means this machine."""
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?", host, re.ASCII)
        if match is None:
            return False
        name = match[1].lower().rstrip(".")
        return name in self._names or name.endswith(".localhost") or _is_address(name)


def own_names() -> set[str]:
    """Names that mean this machine. The name service is not asked: it could be slow, and it could be lied to."""
    name = socket.gethostname()
    return {"localhost", name, name.partition(".")[0], f"{name.partition('.')[0]}.local"}


def _is_address(name: str) -> bool:
    """A literal address can't be rebound to another machine."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
