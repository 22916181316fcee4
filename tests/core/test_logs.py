"""Log lines: one event, one line, fields for the journal, never a flood."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_segnet.core.logs import BURST, Journal, OneLine, RateLimit, service_logging


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
