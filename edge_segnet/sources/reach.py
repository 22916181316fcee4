"""Why a network camera can't be reached: GStreamer and OpenCV only say that it failed."""

from __future__ import annotations

import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

from edge_segnet.core import threads
from edge_segnet.core.uris import SourceUri

PORTS: Final = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
LIMIT_S: Final = 1.0
"""For TCP, and as much again for TLS: on a local network either takes milliseconds."""


def why_unreachable(source: SourceUri) -> str:
    """One line, or nothing when its port answers. Takes little more than a second, whatever the name servers do."""
    parts = urlsplit(source.url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    found: list[str] = []
    secure = parts.scheme in ("rtsps", "https")
    thread = threads.start(lambda: _try(host, port, secure, found), f"reach {host}", again=False)
    thread.join(2 * LIMIT_S if secure else LIMIT_S + 0.1)
    return found[0] if found else f"nobody answers at {host}:{port} within {LIMIT_S:g} s"


def too_slow(connect_s: float) -> str:
    """Why a camera counts as absent whose port answers."""
    return f"it takes longer than {connect_s:g} s to answer: some cameras need a larger connect_s"


def _try(host: str, port: int, secure: bool, found: list[str]) -> None:
    try:
        with socket.create_connection((host, port), LIMIT_S) as connection:
            if secure:
                ssl.create_default_context().wrap_socket(connection, server_hostname=host).close()
            found.append("")
    except TimeoutError:
        return
    except ssl.SSLCertVerificationError as error:
        found.append(f"this machine does not trust the certificate of {host}:{port} ({error.verify_message})")
    except OSError as error:
        found.append(f"nobody answers at {host}:{port} ({error.strerror or error})")
