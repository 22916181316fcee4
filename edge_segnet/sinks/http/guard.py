"""What every request passes before it reaches a route: Host, method and body, access; and headers on every answer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_segnet.sinks.hosts import Hosts
from edge_segnet.sinks.http.auth import Sessions
from edge_segnet.sinks.http.connection import MAX_HEADER

MAX_BODY: Final = 4096
"""Bytes: the login's form is the largest body there is."""
OPEN: Final = frozenset({"/healthz", "/readyz", "/login"})
FOR_PLAYERS: Final = ("/stream/", "/frame/")
LAYERS_PATH: Final = "/stream/layers"
OPEN_PREFIX: Final = "/static/"
"""Nothing there is secret, and the login page needs it."""
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),  # "no-referrer" would make a form's Origin "null"
    (b"cross-origin-opener-policy", b"same-origin"),
    # Other ports of this robot may show a stream, pages from elsewhere may not.
    (b"cross-origin-resource-policy", b"same-site"),
]


class Guard:
    """ASGI middleware; refuses cheaply and in one line of JSON."""

    def __init__(self, app: ASGIApp, sessions: Sessions | None, hosts: Iterable[str]) -> None:
        """``sessions`` None: everyone may; ``hosts``: further names by which browsers may call this machine."""
        self._app, self._sessions = app, sessions
        self._hosts = Hosts(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, value)
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, _Headed(send))
        else:
            await refuse(_Headed(send), *refusal)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str, list[tuple[bytes, bytes]]] | None:
        # uvicorn's own limit is for what is not complete yet: what comes in one piece passes it.
        if _size_of_head(scope) > MAX_HEADER:
            return 431, f"more than {MAX_HEADER} bytes of headers", [CLOSE]
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._hosts.knows(host):
            hint = "if browsers shall call this machine so, add the name to http.allowed_hosts"
            return 403, f"this is not {_printable(host) or 'a request with a Host header'}: {hint}", [CLOSE]
        if b"transfer-encoding" in headers or _length(headers.get(b"content-length", b"0")) > MAX_BODY:
            return 413, f"a body of more than {MAX_BODY} bytes, or of unknown length", [CLOSE]
        origin = headers.get(b"origin")
        if scope["method"] == "POST" and origin is not None and _netloc(origin) != host.lower():
            return 403, "a request from another site", [CLOSE]
        return self._locked(scope, headers)

    def _locked(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str, list[tuple[bytes, bytes]]] | None:
        path = scope["path"]
        if self._sessions is None or path in OPEN or path.startswith(OPEN_PREFIX):
            return None
        address = scope["client"][0] if scope["client"] else ""
        given, cookie = (headers.get(name, b"").decode("latin-1") for name in (b"authorization", b"cookie"))
        if self._sessions.accepts(given, cookie, basic=path.startswith(FOR_PLAYERS)):
            return None
        if given and self._sessions.must_wait(address):
            return 429, "too many wrong tokens; wait a minute", [(b"retry-after", b"60")]
        if given:
            self._sessions.failed(address)
        if path == "/" and b"text/html" in headers.get(b"accept", b""):
            return 303, "log in first", [(b"location", b"/login")]
        return (
            401,
            "a token is needed: Authorization: Bearer TOKEN, or log in at /login",
            [(b"www-authenticate", challenge) for challenge in _challenges(path)],
        )


CLOSE: Final = (b"connection", b"close")


def _challenges(path: str) -> list[bytes]:
    """Players show a password only when they are asked for one. The dashboard's own stream does not ask: a browser
    would open its window for passwords over the page.
    """
    asks = path.startswith(FOR_PLAYERS) and path != LAYERS_PATH
    return [b'Bearer realm="edge-segnet"', *([b'Basic realm="edge-segnet", charset="UTF-8"'] if asks else [])]


class _Headed:
    """Adds the security headers, and "don't keep this" unless the answer says otherwise."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", []))
            if not any(name == b"cache-control" for name, _ in own):
                own.append((b"cache-control", b"no-store"))
            message["headers"] = own + HEADERS
        await self._send(message)


async def refuse(send: Send, status: int, message: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Answer with an error."""
    body = json.dumps({"error": message}).encode()
    fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": fixed + headers})
    await send({"type": "http.response.body", "body": body})


def _size_of_head(scope: Scope) -> int:
    """Bytes of a request's first line and headers."""
    line = len(scope["method"]) + len(scope["raw_path"]) + len(scope["query_string"]) + len("  HTTP/1.1\r\n")
    return line + sum(len(name) + len(value) + len(": \r\n") for name, value in scope["headers"])


def _length(value: bytes) -> int:
    return int(value) if value.isdigit() else MAX_BODY + 1


def _netloc(origin: bytes) -> str:
    try:
        return urlsplit(origin.decode("latin-1")).netloc.lower()
    except ValueError:
        return ""


def _printable(text: str) -> str:
    return "".join(mark if " " <= mark <= "~" else "?" for mark in text[:64])
