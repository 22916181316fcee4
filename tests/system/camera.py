"""A network camera of the standard library alone: ``python3 camera.py FOLDER PORT RATE`` sends a folder's JPEGs, again
and again, as MJPEG over HTTP, to every viewer.
"""

from __future__ import annotations

import itertools
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Camera(BaseHTTPRequestHandler):
    """One viewer."""

    pictures: list[bytes]
    rate: float

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for picture in itertools.cycle(self.pictures):
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + picture + b"\r\n")
            except OSError:
                return
            time.sleep(1 / self.rate)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


def main() -> None:
    folder, port, rate = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    Camera.pictures = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    Camera.rate = rate
    ThreadingHTTPServer(("127.0.0.1", port), Camera).serve_forever()


if __name__ == "__main__":
    main()
