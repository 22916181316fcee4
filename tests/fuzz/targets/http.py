"""Requests to the real server: it answers with less than 500, and goes on."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

from edge_segnet.sinks.http.settings import HttpConfig
from edge_segnet.sinks.http.sink import HttpSink
from tests.fuzz.mutate import mutated
from tests.support.service import StreetService, drive

PATHS: Final = [
    "/",
    "/static/main.js",
    "/login",
    "/logout",
    "/frame/overlay.jpg",
    "/frame/labels.png",
    "/api/result",
    "/api/events",
    "/api/regions",
    "/api/classes",
    "/api/status",
    "/api/openapi.json",
    "/metrics",
    "/healthz",
    "/readyz",
    "/nothing",
    "/static/../../etc/passwd",
]
PIECES: Final = (
    *(
        "?camera=front",
        "?camera=%00",
        "?limit=-1",
        "?limit=" + "9" * 5000,
        "?quality=1e400",
        "?width=99999999",
        "?x" * 999,
    ),
    *("%2e%2e/", "\0", "é", "?since=" + "f" * 300, "?camera[]=1", "//", "#", "?limit=NaN"),
)
HEADERS: Final = (
    *(
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: chunked",
        "Host: evil",
        "Host:",
    ),
    *("Cookie: " + "a=b; " * 500, "Authorization: Bearer \xff", "Range: bytes=0-", "Expect: 100-continue", ": x"),
    *("Accept-Encoding: gzip;q=nan", "Last-Event-ID: " + "9" * 5000, "If-None-Match: \0", "Connection: upgrade"),
)
ANSWER_S: Final = 3.0


class Requests:
    """One connection per case."""

    def __init__(self, folder: Path) -> None:
        del folder
        service = StreetService()
        self._sink = HttpSink(HttpConfig(port=0), service)
        self._sink.start()
        service.sink = self._sink
        for result in drive(2):
            service.publish(result)

    @property
    def _port(self) -> int:
        return int(str(self._sink.status()["url"]).rpartition(":")[2].rstrip("/"))

    def make(self, rng: random.Random) -> bytes:
        method = rng.choice(("GET", "GET", "GET", "POST", "HEAD", "PUT", "OPTIONS", "get", "G\0T"))
        path = rng.choice(PATHS) + (rng.choice(PIECES) if rng.random() < 0.6 else "")
        lines = [
            f"{method} {path} HTTP/1.{rng.choice('1110')}",
            "Host: 127.0.0.1",
            *rng.sample(HEADERS, rng.randrange(3)),
        ]
        body = rng.choice(("", "token=x", "token=" + "x" * 5000, "5\r\nhello\r\n0\r\n\r\n"))
        data = ("\r\n".join([*lines, "Connection: close", "", ""]) + body).encode("latin-1", "replace")
        return mutated(rng, data) if rng.random() < 0.5 else data

    def run(self, case: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self._port), ANSWER_S) as connection:
            connection.settimeout(ANSWER_S)
            try:
                connection.sendall(case)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(64)
            except ConnectionError:
                return  # it hung up on us
        assert not answer.startswith(b"HTTP/1.1 5"), answer
