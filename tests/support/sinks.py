"""Sinks at work."""

from __future__ import annotations

import threading
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


@contextmanager
def repeating(act: Callable[[int], None], period_s: float) -> Iterator[None]:
    """Acts again and again, with 0, 1, 2 ..., on a thread of its own while the block runs."""
    stop = threading.Event()

    def run() -> None:
        number = 0
        while not stop.wait(period_s):
            act(number)
            number += 1

    thread = threading.Thread(target=run, name="street")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
