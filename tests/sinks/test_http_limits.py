"""What clients can't do: stop the service, slow it down, or leave something behind."""

from __future__ import annotations

import contextlib
import gc
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import psutil
import pytest

from edge_segnet.core.pace import Bucket
from edge_segnet.core.types import Result
from edge_segnet.sinks.http.connection import REQUEST_S, WRITE_S
from edge_segnet.sinks.http.server import WORKERS
from edge_segnet.sinks.http.settings import HttpConfig
from edge_segnet.sinks.http.sink import HttpSink
from tests.support.service import StreetService, drive, driving, serving
from tests.support.waiting import wait_until

OTHER = ("127.0.0.2", 0)
"""Another of this machine's addresses, for what is counted per address."""
HEADERS = b"Host: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def street() -> list[Result]:
    return drive(2, (480, 360))


@pytest.fixture
def service() -> StreetService:
    return StreetService()


@pytest.fixture
def sink(service: StreetService) -> Iterator[HttpSink]:
    with serving(service, max_connections=16) as sink:
        yield sink


def connect(sink: HttpSink, data: bytes = b"", source: tuple[str, int] | None = None) -> socket.socket:
    port = int(sink.url.rpartition(":")[2])
    raw = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=source)
    raw.sendall(data)
    return raw


def everything(raw: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := raw.recv(65536):
            data += chunk
    return data


def works(sink: HttpSink) -> bool:
    return httpx.get(sink.url + "/healthz", timeout=20.0).status_code == 200


def test_beyond_the_limit_a_client_hears_why(sink: HttpSink) -> None:
    with ExitStack() as stack:
        for source in (None, OTHER):
            for _ in range(8):
                stack.enter_context(connect(sink, source=source))
        wait_until(lambda: sink.status()["connections"] == 16)
        with connect(sink, b"GET /healthz HTTP/1.1\r\n" + HEADERS, ("127.0.0.3", 0)) as raw:
            assert everything(raw).startswith(b"HTTP/1.1 503") and sink.status()["rejected"] == 1
    wait_until(lambda: sink.status()["connections"] == 0)
    assert works(sink)


def test_one_address_can_not_take_every_place(sink: HttpSink) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(connect(sink))
        wait_until(lambda: sink.status()["connections"] == 8)
        with connect(sink) as refused:
            assert everything(refused).startswith(b"HTTP/1.1 503")
        with connect(sink, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + HEADERS, OTHER) as other:
            assert everything(other).startswith(b"HTTP/1.1 200")


def test_streams_leave_room_for_questions(sink: HttpSink) -> None:
    request = b"GET /api/stream HTTP/1.1\r\n" + HEADERS
    with ExitStack() as stack:
        for source in (None, OTHER):
            for _ in range(6):
                stack.enter_context(connect(sink, request, source))
        wait_until(lambda: sink.status()["streams"] == 12)
        with connect(sink, b"GET /api/stream HTTP/1.1\r\nConnection: close\r\n" + HEADERS, OTHER) as refused:
            answer = everything(refused)
        assert answer.startswith(b"HTTP/1.1 503") and b"too many streams" in answer
        assert works(sink)


def test_the_slow_and_the_stuck_are_cut_off(sink: HttpSink, service: StreetService, street: list[Result]) -> None:
    """Slowloris, a body drop by drop, silence, and readers that don't read: all at once, to wait only once."""
    stop = threading.Event()

    def dribble(raw: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not stop.wait(0.3):
                raw.sendall(b"x")

    slow = {
        "silent": b"",
        "headers": b"GET /healthz HTTP/1.1\r\nX-Slow: ",
        "body": b"POST /login HTTP/1.1\r\nContent-Length: 4000\r\n" + HEADERS,
        "second": b"GET /healthz HTTP/1.1\r\n" + HEADERS + b"GET / HTTP/1.1\r\nX-",
        "reader": b"GET /stream/overlay.mjpg HTTP/1.1\r\n" + HEADERS,
    }
    with ExitStack() as stack, driving(service, street, 0.02):
        began = time.monotonic()
        raws = {name: stack.enter_context(connect(sink, data)) for name, data in slow.items()}
        threads = [threading.Thread(target=dribble, args=[raw]) for name, raw in raws.items() if name != "silent"]
        for thread in threads:
            thread.start()
        wait_until(lambda: sink.status()["connections"] > 0)
        wait_until(lambda: sink.status()["connections"] == 0, 60.0)
        took_s = time.monotonic() - began
        stop.set()
        for thread in threads:
            thread.join()
        assert took_s >= min(REQUEST_S, WRITE_S) - 0.5
        assert sink.status()["streams"] == 0 and sink.status()["watching"] == {}
        encoded = sink.status()["encoded"]["overlay"]
        assert encoded < 60, "nothing is encoded for a client that does not read"
        assert works(sink)


def test_nonsense_is_answered_or_dropped(sink: HttpSink, caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(0)
    nonsense = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a plain port
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n" + HEADERS,
        b"GET /%ff%fe%00 HTTP/1.1\r\n" + HEADERS,
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(10_000)) + HEADERS,
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HEADERS,
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /login HTTP/1.1\r\nContent-Length: -1\r\n" + HEADERS,
        b"POST /login HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n" + HEADERS,
        b"GET /api/result?camera=" + b"%ff" * 500 + b"&camera[]=1 HTTP/1.1\r\n" + HEADERS,
        b"GET /stream/mask.mjpg?fps=nan HTTP/1.1\r\nConnection: close\r\n" + HEADERS,
        b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=one\r\nConnection: close\r\n" + HEADERS,
        b"GET /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HEADERS + b"no chunk\r\n",
        b"GET /healthz HTTP/1.1\r\nContent-Length: 5\r\n" + HEADERS + b"12345\x00\x01",
        b"GET /healthz HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n" + HEADERS,
        b"GET /healthz HTTP/1.1\r\n" + HEADERS + b"GET /healthz HTTP/1.1\r\n" + HEADERS,
        *(rng.randbytes(rng.randrange(1, 400)) + b"\r\n\r\n" for _ in range(40)),
    ]
    for data in nonsense:
        raw = connect(sink)
        with raw, contextlib.suppress(OSError):
            raw.sendall(data)
            raw.shutdown(socket.SHUT_WR)
            answer = everything(raw)
            assert not answer or answer.startswith(b"HTTP/1.1 "), data[:60]
            assert b"Traceback" not in answer and not answer.startswith(b"HTTP/1.1 5"), data[:60]
    assert works(sink)
    wait_until(lambda: sink.status()["connections"] == 0)
    assert not [record for record in caplog.records if record.levelname == "ERROR"], "clients can't fill the log"


@pytest.mark.parametrize("pieces", [1, 50])
def test_more_than_the_documented_headers_are_refused(sink: HttpSink, pieces: int) -> None:
    many = b"".join(b"X-%05d: %s\r\n" % (number, b"a" * 50) for number in range(1500))  # 99 KB
    data = b"GET /healthz HTTP/1.1\r\n" + many + HEADERS
    with connect(sink) as raw, contextlib.suppress(OSError):
        for at in range(pieces):
            raw.sendall(data[at * len(data) // pieces : (at + 1) * len(data) // pieces])
        answer = everything(raw)
        assert answer[9:12] in (b"431", b"400"), answer[:60]
    few = b"X-A: %s\r\n" % (b"a" * 15_000)
    with connect(sink, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + few + HEADERS) as raw:
        assert everything(raw).startswith(b"HTTP/1.1 200")
    assert works(sink)


@pytest.mark.parametrize("text", ["0", "-1", "+1", "1e3", "", "1001", "\u0661", "9" * 4400])
def test_a_number_that_is_none_is_told(sink: HttpSink, text: str) -> None:
    answer = httpx.get(f"{sink.url}/api/events", params={"limit": text}, timeout=20.0)
    assert answer.status_code == 400 and "whole number" in answer.json()["error"]


def test_a_hasty_client_waits(sink: HttpSink) -> None:
    bucket = Bucket(100.0, 10.0)
    waits = [bucket.reserve() for _ in range(30)]
    assert waits[:10] == [0.0] * 10 and waits == sorted(waits) and 0.15 < waits[-1] <= 0.2
    with httpx.Client(base_url=sink.url, timeout=20.0) as client:
        began = time.monotonic()
        for _ in range(230):
            client.get("/healthz")
        assert time.monotonic() - began > 0.2, "200 at once, then 100 a second"


def test_many_viewers_come_and_go_and_leave_nothing(
    sink: HttpSink, service: StreetService, street: list[Result]
) -> None:
    process = psutil.Process()

    def visit(number: int) -> None:
        path = ("/stream/overlay.mjpg", "/stream/layers", "/api/stream", "/frame/mask.jpg")[number % 4]
        with connect(sink, f"GET {path} HTTP/1.1\r\n".encode() + HEADERS) as raw:
            raw.recv(1000)

    with driving(service, street, 0.02):
        for number in range(20):
            visit(number)
        gc.collect()
        before = process.num_fds(), threading.active_count(), process.memory_info().rss
        for number in range(200):
            visit(number)
        wait_until(lambda: sink.status()["connections"] == 0)
        gc.collect()
        wait_until(lambda: process.num_fds() <= before[0])
        assert threading.active_count() < before[1] + WORKERS, "its workers are started when they are needed"
        assert process.memory_info().rss - before[2] < 10e6


def test_a_busy_port_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        sink = HttpSink(HttpConfig(port=port), StreetService())
        sink.start()
        try:
            status = sink.status()
            assert status["state"] == "waiting" and f"port {port}" in str(status["error"])
            occupied.close()
            wait_until(lambda: sink.status()["state"] == "listening")
            assert sink.status()["error"] is None and works(sink)
        finally:
            sink.close()
    complaints = [record for record in caplog.records if "another program" in record.getMessage()]
    assert len(complaints) == 1, "said once, not at every try"


@pytest.mark.alone
def test_it_closes_at_once_whoever_is_there(service: StreetService, street: list[Result]) -> None:
    threads = threading.active_count()
    with driving(service, street), serving(service) as sink, ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(connect(sink, b"GET /stream/layers HTTP/1.1\r\n" + HEADERS))
        wait_until(lambda: sink.status()["streams"] == 6)
        began = time.monotonic()
        sink.close()
        assert time.monotonic() - began < 1.0
        sink.close()
        service.publish(street[0])  # goes nowhere, and fails nowhere
    wait_until(lambda: threading.active_count() <= threads)
