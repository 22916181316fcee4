"""Threads of ours: what ends one unexpectedly is seen, stands, and is tried again."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from edge_segnet.core import threads
from tests.support.waiting import wait_until


def fault_of(name: str) -> threads.Fault | None:
    return next((fault for fault in threads.faults() if fault.thread == name), None)


def begun(run: Callable[[], None], name: str) -> threads.Thread:
    thread = threads.Thread(run, name, vital=True)
    thread.start()
    return thread


def test_a_thread_that_fails_is_seen_and_begins_again(caplog: pytest.LogCaptureFixture) -> None:
    runs = threading.Semaphore(0)
    go, stop = threading.Event(), threading.Event()

    def run() -> None:
        runs.release()
        if not go.is_set():
            raise KeyError("what nobody expected")
        stop.wait(20)

    thread = begun(run, "fragile")
    wait_until(lambda: fault_of("fragile"))
    fault = fault_of("fragile")
    assert fault is not None and "unexpected KeyError: 'what nobody expected' (test_threads.py:" in fault.message
    assert not threads.all_alive() and thread.is_alive() and "fragile" in threads.left()
    assert "thread fragile: unexpected KeyError" in caplog.text
    go.set()
    wait_until(threads.all_alive)
    assert runs.acquire(timeout=0) and runs.acquire(timeout=0), "it did not begin again"
    assert fault_of("fragile") is not None, "a fault stands until it has been well for a while"
    stop.set()
    thread.join(20)
    assert not thread.is_alive() and fault_of("fragile") is None


def test_a_thread_that_rests_ends_at_once_when_it_is_joined() -> None:
    def run() -> None:
        raise ValueError("always")

    thread = begun(run, "broken")
    wait_until(lambda: not threads.all_alive())
    thread.join(0.2)
    assert not thread.is_alive() and threads.all_alive()


@pytest.mark.parametrize("error", [SystemExit(3), MemoryError(), KeyboardInterrupt()])
def test_whatever_is_raised_is_seen(error: BaseException) -> None:
    def run() -> None:
        raise error

    thread = threads.start(run, "task", again=False)
    wait_until(lambda: fault_of("task"))
    wait_until(lambda: not thread.is_alive())
    assert threads.all_alive(), "a task that failed keeps nobody from working"
    thread.join(1)
    assert fault_of("task") is None


def test_work_that_ends_leaves_nothing() -> None:
    thread = threads.start(lambda: None, "short")
    wait_until(lambda: not thread.is_alive())
    assert fault_of("short") is None and "short" not in threads.left()


def test_one_that_was_never_started_can_be_joined() -> None:
    thread = threads.Thread(lambda: None, "never")
    thread.join(1)
    assert not thread.is_alive() and not thread.started


def test_a_thread_of_a_library_does_not_die_unseen_either(caplog: pytest.LogCaptureFixture) -> None:
    def run() -> None:
        raise OSError(5, "what nobody caught")

    before = threading.excepthook
    threads.watch_others()
    try:
        stranger = threading.Thread(target=run, name="a library's own")
        stranger.start()
        stranger.join(20)
    finally:
        threading.excepthook = before
    assert "what nobody caught" in str(fault_of("a library's own"))
    assert "thread a library's own: unexpected OSError" in caplog.text
    threads._strangers.clear()
