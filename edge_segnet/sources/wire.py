"""Messages between processes of ours, on a socket that keeps each whole: JSON, and open files beside it."""

from __future__ import annotations

import array
import json
import socket
from typing import Any, Final

MESSAGE: Final = 1 << 16
"""Bytes of a message at most: facts and errors of a few hundred, and one traceback of 4,000."""
DESCRIPTORS: Final = 4
"""Bytes of one message and descriptors with it: the child sends facts as JSON, its pictures lie in shared memory."""


def send(end: socket.socket, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
    """One message, with descriptors; raises OSError."""
    more = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    end.sendmsg([json.dumps(message).encode()], more)


def receive(end: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """One message, None at the end; and its descriptors. Raises OSError."""
    data, more, _, _ = end.recvmsg(MESSAGE, socket.CMSG_SPACE(DESCRIPTORS * array.array("i").itemsize))
    descriptors = array.array("i")
    for level, kind, content in more:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return (json.loads(data) if data else None), list(descriptors)
