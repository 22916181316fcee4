"""A dashboard and who asks it; whoever uses them has a fixture ``service``."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from edge_segnet.sinks.http.sink import HttpSink
from tests.support.service import StreetService, serving


@pytest.fixture
def sink(service: StreetService) -> Iterator[HttpSink]:
    with serving(service) as sink:
        yield sink


@pytest.fixture
def client(sink: HttpSink) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sink.url, timeout=20.0) as client:
        yield client
