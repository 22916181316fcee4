"""Who may use the HTTP interface: a token in a header, or a browser's session that was opened with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from http.cookies import CookieError, SimpleCookie
from typing import Final

from edge_segnet.sinks.access import same
from edge_segnet.sinks.http.connection import MAX_ADDRESSES

COOKIE: Final = "edge_segnet_session"
SESSION_S: Final = 30 * 24 * 3600
FAILURES: Final = 10
FAILURE_WINDOW_S: Final = 60.0
"""So many wrong tokens of one address in that time; then it has to wait."""


class Sessions:
    """Sessions are signed with a key that is derived from the token: they outlive a restart, hold nothing secret, and
    end when the token is changed.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._key = hmac.digest(token.encode(), b"edge-segnet http session", "sha256")
        self._failures: dict[str, list[float]] = {}

    def accepts(self, authorization: str, cookie: str) -> bool:
        """Whether a request's ``Authorization`` or ``Cookie`` header is good."""
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer" and self.right(given.strip()):
            return True
        return self._open(_session_of(cookie))

    def right(self, token: str) -> bool:
        """Compare with the token, in constant time."""
        return same(token, self._token)

    def new(self) -> str:
        """A session's cookie value: when it ends, a nonce, and their signature."""
        body = f"{int(time.time()) + SESSION_S}.{secrets.token_urlsafe(9)}"
        return f"{body}.{self._sign(body)}"

    def _open(self, session: str) -> bool:
        body, _, signature = session.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
            return False
        return time.time() < int(body.partition(".")[0])

    def _sign(self, body: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self._key, body.encode(), "sha256")).decode().rstrip("=")

    def must_wait(self, address: str) -> bool:
        """Whether an address guessed too often lately."""
        now = time.monotonic()
        recent = [at for at in self._failures.get(address, []) if now - at < FAILURE_WINDOW_S]
        return len(recent) >= FAILURES

    def failed(self, address: str) -> None:
        """Note a wrong token."""
        now = time.monotonic()
        if len(self._failures) >= MAX_ADDRESSES:
            self._failures.clear()
        recent = [at for at in self._failures.get(address, []) if now - at < FAILURE_WINDOW_S]
        self._failures[address] = [*recent[-FAILURES:], now]


def fingerprint(data: bytes) -> str:
    """A short name of some content, for ETag."""
    return hashlib.sha256(data).hexdigest()[:16]


def _session_of(cookie: str) -> str:
    try:
        morsel = SimpleCookie(cookie).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
