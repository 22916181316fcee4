"""An IP camera for tests: MJPEG over HTTP, from a thread, with basic authentication if asked."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

BOUNDARY = "frame"


def quarters(width: int = 320, height: int = 240) -> NDArray[np.uint8]:
    """Top left blue, top right green, bottom left red, bottom right white: every flip looks different."""
    image = np.zeros((height, width, 3), np.uint8)
    half_height, half_width = height // 2, width // 2
    image[:half_height, :half_width] = (255, 0, 0)
    image[:half_height, half_width:] = (0, 255, 0)
    image[half_height:, :half_width] = (0, 0, 255)
    image[half_height:, half_width:] = (255, 255, 255)
    return image


def jpeg(image: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())


class MjpegCamera:
    """Sends ``picture(n)``, a JPEG's bytes, at ``fps``; ``hush`` keeps connections open and sends nothing. ``tls``:
    certificate and key.
    """

    def __init__(
        self,
        picture: Callable[[int], bytes] | None = None,
        *,
        fps: float = 30.0,
        user: str = "",
        password: str = "",
        tls: tuple[Path, Path] | None = None,
        kind: str = "image/jpeg",
        length: bool = True,
        digest: bool = False,
    ) -> None:
        self._kind, self._length = kind, length
        self._realm = 'Digest realm="camera", nonce="abc", qop="auth"' if digest else 'Basic realm="camera"'
        still = jpeg(quarters())
        self.picture = picture or (lambda _: still)
        self.fps = fps
        self.hush = threading.Event()
        self._ended = threading.Event()
        self._credentials = f"{user}:{password}" if user else ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            # Shaken hands in the connection's own thread, so that one who refuses us does no harm.
            self._server.socket = context.wrap_socket(self._server.socket, True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """With user and password, if it wants them."""
        credentials = f"{self._credentials}@" if self._credentials else ""
        return f"{self._scheme}://{credentials}127.0.0.1:{self._server.server_address[1]}/video.mjpg"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        camera = self
        wanted = "Basic " + base64.b64encode(self._credentials.encode()).decode() if self._credentials else None

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                given = self.headers.get("Authorization", "")
                if wanted and given != wanted and not ("Digest" in camera._realm and camera.knows(given)):
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", camera._realm)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
                self.send_header("Connection", "close")
                self.end_headers()
                try:
                    camera.serve(self.wfile.write)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Tests are quiet."""

        return Handler

    def knows(self, given: str) -> bool:
        """Is it the answer to our digest (RFC 7616, MD5)?"""

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        found = dict(re.findall(r'(\w+)="?([^",]+)"?', given))
        user, _, password = self._credentials.partition(":")
        first, second = md5(f"{user}:camera:{password}"), md5(f"GET:{found.get('uri')}")
        middle = ":".join(found.get(name, "") for name in ("nonce", "nc", "cnonce", "qop"))
        return found.get("response") == md5(f"{first}:{middle}:{second}")

    def serve(self, write: Callable[[bytes], object]) -> None:
        """Send frames until the end."""
        number = 0
        while not self._ended.is_set():
            if not self.hush.is_set():
                data = self.picture(number)
                length = f"Content-Length: {len(data)}\r\n" if self._length else ""
                head = f"--{BOUNDARY}\r\nContent-Type: {self._kind}\r\n{length}\r\n"
                write(head.encode() + data + b"\r\n")
                number += 1
            time.sleep(1.0 / self.fps)

    def end(self) -> None:
        """Every stream ends; no frame will come any more."""
        self._ended.set()

    def __enter__(self) -> MjpegCamera:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
