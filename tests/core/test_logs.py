"""Log lines: one event, one line, fields for the journal, never a flood."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from edge_segnet.core.logs import BURST, Journal, OneLine, RateLimit, StandardError, service_logging
from tests.support.waiting import wait_until


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    before, level = list(logger.handlers), logger.level
    yield logger
    for handler in logger.handlers:
        if handler not in before:
            handler.close()
    logger.handlers[:] = before
    logger.setLevel(level)


def record(message: str, *values: object, level: int = logging.WARNING, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("edge_segnet.x", level, __file__, 1, message, values, None)
    made.__dict__.update(extra)
    return made


def test_one_line_whatever_it_holds() -> None:
    assert OneLine("%(message)s").format(record("a\nb \x1b[31m%s", "c\r\nd")) == "a b  [31mc  d"


def test_a_flood_is_cut_and_counted() -> None:
    now = [100.0]
    limit = RateLimit(lambda: now[0])
    passed = [limit.filter(record("camera %s lost", number)) for number in range(BURST + 25)]
    assert passed.count(True) == BURST
    assert limit.filter(record("another"))
    now[0] += 31.0
    again = record("camera %s lost", 1)
    assert limit.filter(again)
    assert again.getMessage() == "camera 1 lost (25 more like this were left out)"


def test_the_journal_gets_fields(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "journal"))
        heard.settimeout(5)
        journal = Journal(tmp_path / "journal")
        journal.setFormatter(OneLine())
        journal.handle(record("front: lost\n(no route)", camera="front", event="camera-lost"))
        fields = dict(line.split("=", 1) for line in heard.recv(9999).decode().splitlines())
        journal.close()
    assert fields == {
        "MESSAGE": "front: lost (no route)",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "edge-segnet",
        "LOGGER": "edge_segnet.x",
        "EDGE_SEGNET_CAMERA": "front",
        "EDGE_SEGNET_EVENT": "camera-lost",
    }


def test_without_a_journal_lines_carry_their_priority(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    if Path("/run/systemd/journal/socket").exists():
        pytest.skip("a journal listens here")
    service_logging("info", "auto", journal_stream=True)
    root.info("good")
    root.debug("not shown")
    logging.getLogger("edge_segnet.x").error("bad")
    assert capsys.readouterr().err == "<6>good\n<3>bad\n"


def test_for_people(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    service_logging("warning", "auto", journal_stream=False)
    root.info("not shown")
    root.warning("seen")
    assert capsys.readouterr().err == "edge-segnet: seen\n"


def test_a_pipe_that_nobody_reads_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", buffering=1) as stream, os.fdopen(reading, "rb", buffering=0) as reader:
        monkeypatch.setattr(sys, "stderr", stream)
        handler = StandardError()
        handler.setFormatter(OneLine("edge-segnet: %(message)s"))
        line = logging.LogRecord("a", logging.INFO, "", 0, "x" * 1000, None, None)
        for _ in range(100):  # far more than a pipe holds; this would never end
            handler.emit(line)
        assert handler.left_out > 20
        taken = b""
        while b"left out" not in taken:
            taken = reader.read(65536)
            handler.emit(line)
            taken += reader.read(65536)
        assert b" lines were left out: nobody read them\n" in taken


def test_a_service_whose_stderr_nobody_reads_serves_and_ends() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, bytes(4096)):
            pass
    os.set_blocking(writing, True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "edge_segnet", "run", "--set", f"http.port={port}"]
    process = subprocess.Popen(command, stderr=writing)
    try:
        wait_until(lambda: _ready(port), 40)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reading)
        os.close(writing)


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
