"""Sinks at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from edge_segnet.sinks.fanout import StartedSink
from tests.support.waiting import wait_until

AnySink = TypeVar("AnySink", bound=StartedSink)


@contextmanager
def started(sink: AnySink, ready: Callable[[AnySink], object]) -> Iterator[AnySink]:
    """Started, and closed at the end; ``ready``: what it is asked until it says so."""
    sink.start()
    try:
        wait_until(lambda: ready(sink))
        yield sink
    finally:
        sink.close()
