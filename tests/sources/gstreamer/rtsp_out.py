"""An RTSP sink that listens, and is fed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edge_segnet.core.types import Result
from edge_segnet.sinks.rtsp.settings import RtspConfig
from edge_segnet.sinks.rtsp.sink import RtspSink
from tests.support.halves import halves
from tests.support.service import StreetService
from tests.support.sinks import repeating, started


@contextmanager
def serving(service: StreetService, **settings: Any) -> Iterator[RtspSink]:
    """A sink that listens."""
    made = RtspSink(RtspConfig(**{"port": 0, **settings}), service)
    with started(made, lambda sink: sink.urls) as sink:
        yield sink


@contextmanager
def feeding(service: StreetService, sink: RtspSink, result: Result, rate: float = 20.0) -> Iterator[None]:
    """Publishes a result again and again while the block runs."""

    def publish(_number: int) -> None:
        now = dataclasses.replace(result, frame=dataclasses.replace(result.frame, captured_ns=time.monotonic_ns()))
        service.cameras[now.frame.camera].observe(now)
        sink.publish(now)

    with repeating(publish, 1 / rate):
        yield


@contextmanager
def street(**settings: Any) -> Iterator[tuple[StreetService, RtspSink]]:
    """A sink that is fed."""
    service = StreetService("front")
    with serving(service, **settings) as sink, feeding(service, sink, halves()):
        yield service, sink
