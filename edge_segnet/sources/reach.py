"""Why a network camera can't be reached: GStreamer and OpenCV only say that it failed."""

from __future__ import annotations

import socket
import threading
from typing import Final
from urllib.parse import urlsplit

from edge_segnet.uris import SourceUri

PORTS: Final = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
LIMIT_S: Final = 1.0


def why_unreachable(source: SourceUri) -> str:
    """One line, or nothing when its port answers. Takes a second at most, whatever the name servers do."""
    parts = urlsplit(source.url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    found: list[str] = []
    thread = threading.Thread(target=_try, args=(host, port, found), daemon=True)
    thread.start()
    thread.join(LIMIT_S + 0.1)
    reason = found[0] if found else f"no answer within {LIMIT_S:g} s"
    return f"nobody answers at {host}:{port} ({reason})" if reason else ""


def _try(host: str, port: int, found: list[str]) -> None:
    try:
        socket.create_connection((host, port), LIMIT_S).close()
    except TimeoutError:
        return
    except OSError as error:
        found.append(error.strerror or str(error))
    else:
        found.append("")
