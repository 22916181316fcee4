"""Who may use the HTTP interface: a token in a header, or a browser's session that was opened with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
import time
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import OutputError
from edge_segnet.core.files import write_bytes
from edge_segnet.sinks.access import same
from edge_segnet.sinks.http.connection import MAX_ADDRESSES

logger = logging.getLogger(__name__)
COOKIE: Final = "edge_segnet_session"
SESSION_S: Final = 30 * 24 * 3600
"""A month: who looks at a robot now and then need not log in each time."""
MOST_ENDED: Final = 4096
"""Sessions that were logged out of and would still be valid: 130 a day, for as long as one lasts."""
FAILURES: Final = 10
FAILURE_WINDOW_S: Final = 60.0
"""So many wrong tokens of one address in that time; then it has to wait."""


class Sessions:
    """Sessions are signed with a key that is derived from the token: they outlive a restart, hold nothing secret, and
    end when the token is changed, or when somebody logs out.
    """

    def __init__(self, token: str, ended: Path) -> None:
        """``ended``: a file that remembers who logged out, over restarts; made when it is needed."""
        self._token = token
        self._ended = Ended(ended)
        self._key = hmac.digest(token.encode(), b"edge-segnet http session", "sha256")
        self._failures: dict[str, list[float]] = {}

    def accepts(self, authorization: str, cookie: str, *, basic: bool = False) -> bool:
        """Whether a request's ``Authorization`` or ``Cookie`` header is good. ``basic``: the token may also come as a
        password, since players know no other way.
        """
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer" and self.right(given.strip()):
            return True
        if basic and scheme.lower() == "basic" and self.right(_password_of(given.strip())):
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
        return time.time() < int(body.partition(".")[0]) and body not in self._ended

    def end(self, cookie: str) -> None:
        """Log out: the session of this ``Cookie`` header opens nothing any more, wherever else it is kept."""
        session = _session_of(cookie)
        if self._open(session):
            self._ended.add(session.rpartition(".")[0])

    def _sign(self, body: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self._key, body.encode(), "sha256")).decode().rstrip("=")

    def must_wait(self, address: str) -> bool:
        """Whether an address guessed too often lately, so that another guess is not looked at. The right token always
        is: nobody else can lock its owner out, and with its 16 characters or more nobody guesses it.
        """
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


class Ended:
    """Sessions that were logged out of and would still be good; in a small file, or in memory while that can't be."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bodies = {body for body in _read(path) if _expires(body) > time.time()}

    def __contains__(self, body: str) -> bool:
        return body in self._bodies

    def add(self, body: str) -> None:
        """Remember one; of more than ``MOST_ENDED`` those go that would end first anyway."""
        good = sorted({body, *self._bodies}, key=_expires)
        self._bodies = {each for each in good[-MOST_ENDED:] if _expires(each) > time.time()}
        try:
            write_bytes(self._path, json.dumps(sorted(self._bodies)).encode())
        except OutputError as error:
            logger.warning("http: after a restart, a session that was logged out of is open again (%s)", error.message)


def _read(path: Path) -> list[str]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return []
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _expires(body: str) -> int:
    start = body.partition(".")[0]
    return int(start) if start.isascii() and start.isdigit() and len(start) < 20 else 0


def _password_of(credentials: str) -> str:
    """Of RFC 7617: base64 of ``user:password``."""
    try:
        return base64.b64decode(credentials, validate=True).decode("latin-1").partition(":")[2]
    except ValueError:
        return ""


def fingerprint(data: bytes) -> str:
    """A short name of some content, for ETag."""
    return hashlib.sha256(data).hexdigest()[:16]


def _session_of(cookie: str) -> str:
    try:
        morsel = SimpleCookie(cookie).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
