"""MJPEG over HTTP (``multipart/x-mixed-replace``), read here and not by a library, so that all that a server may send
has a limit: redirects, headers, bytes of a picture, bytes a second.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ssl
import threading
import time
import urllib.request
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.error import HTTPError, URLError

from edge_segnet.core import threads
from edge_segnet.core.errors import EdgeSegnetError, InputError, SourceLost
from edge_segnet.core.types import Frame
from edge_segnet.core.uris import SourceUri
from edge_segnet.sources.drawn import Place, anywhere
from edge_segnet.sources.jpeg_pictures import JpegPictures
from edge_segnet.sources.live import FrameFormat, Terms
from edge_segnet.sources.reach import too_slow, why_unreachable

FRAME_BYTES: Final = 16 << 20
"""No camera needs more for one compressed picture."""
LINE_BYTES: Final = 1 << 10
"""Of a header's line."""
LINES: Final = 32
"""Headers of a part."""
REDIRECTS: Final = 3
"""To the camera's own address from the one that was given."""
EMPTY_PARTS: Final = 50
"""Parts in a row that are no pictures."""
BYTES_PER_S: Final = 100e6
"""A gigabit line, whole: no camera gives more."""
SHORTEST_S: Final = 0.008
"""120 pictures a second; who sends more is slowed down."""
SILENT_S: Final = 60.0
"""The supervisor gives a camera up long before; this ends a thread that it has left behind."""
CHUNK: Final = 1 << 16
"""Bytes that are read at once."""


@dataclass(frozen=True)
class _Part:
    data: bytes
    seq: int
    captured_ns: int
    captured_at: float


class MjpegCamera:
    """Reads in a thread, decodes when a picture is wanted: the newest."""

    live = True

    def __init__(self, source: SourceUri, terms: Terms, wish: FrameFormat, place: Place = anywhere) -> None:
        """Connect.

        Raises:
            InputError: nobody answers, or what answers sends no MJPEG.
        """
        self._source, self._wish, self._place = source, wish, place
        self._pictures = JpegPictures(terms)
        self._news = threading.Condition()
        """Guards the newest part and the end: left by the reading thread, taken by ``read``."""
        self._newest: _Part | None = None
        self._end: EdgeSegnetError | None = None
        self._response, self._boundary = _connect(source, terms.connect_s)
        threads.start(self._run, f"mjpeg {wish.camera}", again=False)

    @property
    def damaged(self) -> int:
        """Pictures that did not come whole."""
        return self._pictures.damaged

    def read(self, timeout_s: float) -> Frame | None:
        """The newest frame, or None when none came in time.

        Raises:
            SourceLost: the stream broke or ended, or is none of a camera.
        """
        with self._news:
            self._news.wait_for(lambda: self._newest is not None or self._end is not None, timeout_s)
            part, self._newest = self._newest, None
            if part is None:
                if self._end is not None:
                    raise self._end
                return None
        try:
            made = self._pictures.picture(part.data, self._wish, self._place)
        except SourceLost as error:
            raise SourceLost(f"{self._source.shown}: it sends {error.message}", hint=error.hint) from error
        if made is None:
            return None
        return Frame(
            image=made.image,
            original=None,
            seq=part.seq,
            captured_ns=part.captured_ns,
            captured_at=part.captured_at,
            camera=self._wish.camera,
            scaled_from=made.source_size,
            whole=made.whole,
            conversions=1,
            copies=made.copies,
        )

    def resize(self, size: tuple[int, int]) -> None:
        """Frames come at ``size`` (width, height) from the next one on."""
        self._wish = replace(self._wish, size=size)

    def close(self) -> None:
        """Close the connection; may be called twice."""
        with contextlib.suppress(OSError):
            self._response.close()

    def _run(self) -> None:
        shown = self._source.shown
        try:
            self._take_parts(_Parts(self._response, self._boundary))
            end: EdgeSegnetError = SourceLost(f"{shown}: no more frames", hint="is it still there?")
        except SourceLost as error:
            end = SourceLost(f"{shown}: {error.message}", hint=error.hint)
        except (OSError, http.client.HTTPException, ValueError) as error:
            end = SourceLost(f"{shown}: the connection broke ({error})")
        with self._news:
            self._end = end
            self._news.notify_all()

    def _take_parts(self, parts: _Parts) -> None:
        seq = 0
        while (part := parts.next()) is not None:
            now_ns = time.monotonic_ns()
            begun_ns = min(parts.begun_ns, now_ns)
            at = time.time() - (now_ns - begun_ns) / 1e9
            with self._news:
                self._newest = _Part(part, seq, begun_ns, at)
                self._news.notify_all()
            seq += 1
            # Who floods us is slowed down by his own full buffers.
            due_s = max(SHORTEST_S, len(part) / BYTES_PER_S)
            time.sleep(max(0.0, due_s - (time.monotonic_ns() - now_ns) / 1e9))


class _Parts:
    """The parts of a multipart answer."""

    def __init__(self, response: Any, boundary: bytes) -> None:
        self._file = io.BufferedReader(response, CHUNK)
        self._mark = b"--" + boundary
        self.begun_ns = time.monotonic_ns()

    def next(self) -> bytes | None:
        """The next picture's bytes, None at the end.

        Raises:
            SourceLost: a line, a head or a picture without an end.
        """
        for _ in range(EMPTY_PARTS):
            if (length := self._head()) is None:
                return None
            data = self._exactly(length) if length else self._until_mark()
            if data:
                return data
        raise SourceLost("it sends parts without pictures")

    def _head(self) -> int | None:
        """Up to the data of the next part: its length, 0 where it does not say; None at the end."""
        for _ in range(FRAME_BYTES // LINE_BYTES):
            line = self._file.readline(LINE_BYTES)
            if not line:
                return None
            if line.rstrip() == self._mark + b"--":
                return None
            if line.rstrip() == self._mark:
                break
        else:
            raise SourceLost("no picture begins")
        length = 0
        self.begun_ns = time.monotonic_ns()
        for _ in range(LINES):
            line = self._file.readline(LINE_BYTES)
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length" and value.strip().isdigit():
                length = int(value[:20])
            if not line.strip():
                return length
        raise SourceLost("a part's head does not end")

    def _exactly(self, length: int) -> bytes:
        if length > FRAME_BYTES:
            raise SourceLost(f"a picture of {length} bytes, more than {FRAME_BYTES >> 20} MB")
        taken = bytearray()
        while len(taken) < length and (more := self._file.read1(min(CHUNK, length - len(taken)))):
            taken += more
        # A length that lies: the picture is damaged, which its own end tells, and the next mark is looked for.
        return bytes(taken) if len(taken) == length else b""

    def _until_mark(self) -> bytes:
        """A part that does not say how long it is ends where the next begins."""
        taken = bytearray()
        while len(taken) <= FRAME_BYTES:
            ahead = self._file.peek(1)
            if not ahead:
                return b""
            begin = max(0, len(taken) - len(self._mark) - 1)
            taken += ahead
            at = taken.find(b"\n" + self._mark, begin)
            if at >= 0:
                used = len(ahead) - (len(taken) - at - 1)
                self._file.read(max(0, used))
                return bytes(taken[:at]).rstrip(b"\r")
            self._file.read(len(ahead))
        raise SourceLost(f"a picture of more than {FRAME_BYTES >> 20} MB")


class _FewRedirects(urllib.request.HTTPRedirectHandler):
    max_redirections = REDIRECTS
    max_repeats = 1


class _Https(urllib.request.HTTPSHandler):
    """All certificates that this machine trusts are loaded when one is to be judged, not before: that takes long."""

    def __init__(self) -> None:
        urllib.request.AbstractHTTPHandler.__init__(self)

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(http.client.HTTPSConnection, req, context=ssl.create_default_context())


def _connect(source: SourceUri, connect_s: float) -> tuple[Any, bytes]:
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if source.user is not None:
        passwords.add_password(None, source.url, source.user, source.password or "")
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler(),
        _Https(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPBasicAuthHandler(passwords),
        urllib.request.HTTPDigestAuthHandler(passwords),
        _FewRedirects(),
    ):
        # No proxies: a camera is in our own network. No files, no FTP: nowhere a redirect could lead.
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "edge-segnet"), ("Accept", "multipart/x-mixed-replace, image/jpeg")]
    try:
        response = opener.open(source.url, timeout=connect_s)
    except HTTPError as error:
        error.close()
        raise InputError(f"{source.shown}: {_refusal(error)}", hint="are address, user and password right?") from error
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        reason = str(getattr(error, "reason", error)).encode("ascii", "replace").decode()[:80]
        late = isinstance(getattr(error, "reason", error), TimeoutError)
        why = why_unreachable(source) or (too_slow(connect_s) if late else f"it answers, but gives no video ({reason})")
        raise InputError(
            f"{source.shown}: {why}", hint="are address, user and password right, and is it on?"
        ) from error
    _be_patient(response)
    return response, _boundary(source, response)


def _refusal(error: HTTPError) -> str:
    if error.code in (401, 403):
        return f"it answers, but gives no video: user or password are wrong ({error.code})"
    if error.code in (301, 302, 303, 307, 308):
        return f"it answers, but gives no video: it sends us from one address to the next ({error.code})"
    return f"it answers, but gives no video ({error.code} {error.reason})"


def _be_patient(response: Any) -> None:
    """From here on silence is for the supervisor to judge."""
    with contextlib.suppress(AttributeError):
        response.fp.raw._sock.settimeout(SILENT_S)


def _boundary(source: SourceUri, response: Any) -> bytes:
    kind, boundary = response.headers.get_content_type(), response.headers.get_param("boundary")
    if not kind.startswith("multipart/"):
        response.close()
        what = "a single picture" if kind.startswith("image/") else kind
        raise InputError(
            f"{source.shown}: it sends {what}, no MJPEG", hint="give the address of the camera's MJPEG stream"
        )
    text = boundary if isinstance(boundary, str) else ""
    # Some write the two dashes of the mark into the boundary itself.
    return text.strip('"').removeprefix("--").encode("latin-1", "replace")[:200]
