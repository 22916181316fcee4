"""The one place that starts threads: none of ours dies unseen.

    running --an exception that nobody expected--> resting --pause--> running ...
       |                                              |
       `--its work is over--> over  <--joined---------'

A death is logged, and stands as a fault until the thread has been well for ``CALM_S``; of a vital thread it keeps
``all_alive`` False while that rests. A task (``again=False``) is over with its fault, which calms down by time.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)
REST_S: Final = (0.5, 30.0)
"""The first pause, and the longest; each is twice the one before."""
CALM_S: Final = 60.0
"""Without another fault for so long: it is history."""


@dataclass(frozen=True)
class Fault:
    """What ended a thread: ``message`` names the exception and where it was raised."""

    thread: str
    message: str
    times: int


class Thread:
    """A daemon thread that begins again after an unexpected exception; ``start`` makes and starts one."""

    def __init__(self, run: Callable[[], None], name: str, *, again: bool = True, vital: bool = False) -> None:
        """``again``: ``run`` may be called once more after it has failed. ``vital``: without it there is no service, so
        that a watchdog must hear of it; where others rest, a part is missing.
        """
        self.name = name
        self.vital = vital
        self._run, self._again = run, again
        self._resting = False
        self._closing = threading.Event()
        self._fault: Fault | None = None
        self._failed_at = 0.0
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    def start(self) -> None:
        """Begin; raises RuntimeError where the system has no thread left."""
        with _lock:
            _all.append(self)
        try:
            self._thread.start()
        except RuntimeError:
            _forget(self)
            raise

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for its end; one that rests ends at once. One that was never started has ended."""
        self._closing.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        if not self._thread.is_alive():
            _forget(self)

    def is_alive(self) -> bool:
        """Whether it works, or will again."""
        return self._thread.is_alive()

    @property
    def started(self) -> bool:
        """Whether ``start`` was called."""
        return self._thread.ident is not None

    @property
    def well(self) -> bool:
        """Not resting from a fault."""
        return not self._resting

    def fault(self) -> Fault | None:
        """Its last fault, while it is not history."""
        fault = self._fault
        stands = fault is not None and (self._resting or time.monotonic() - self._failed_at < CALM_S)
        return fault if stands else None

    def _main(self) -> None:
        pause_s = REST_S[0]
        while (ran_s := self._ran_until_fault()) is not None:
            pause_s = REST_S[0] if ran_s > CALM_S else pause_s
            self._closing.wait(pause_s)
            if self._closing.is_set():
                break
            pause_s = min(2.0 * pause_s, REST_S[1])
            self._resting = False
        self._resting = False

    def _ran_until_fault(self) -> float | None:
        """Work; seconds until a fault from which it begins again, None when it is over."""
        began = time.monotonic()
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it must be seen
            ran_s = time.monotonic() - began
            times = 1 if self._fault is None or ran_s > CALM_S else self._fault.times + 1
            self._resting = self._again and not self._closing.is_set()
            self._fault, self._failed_at = Fault(self.name, told(error), times), time.monotonic()
            what = "it begins again" if self._resting else "it is over"
            logger.error("thread %s: %s; %s", self.name, self._fault.message, what, extra={"event": "thread-fault"})
            logger.debug("%s", "".join(traceback.format_exception(error)))
            return ran_s if self._resting else None
        return None


_lock = threading.Lock()
"""Guards ``_all``."""
_all: list[Thread] = []
_strangers: deque[tuple[float, Fault]] = deque(maxlen=16)
"""Deaths of threads that libraries started, and when (monotonic)."""


def start(run: Callable[[], None], name: str, *, again: bool = True) -> Thread:
    """A thread of ours, at work; raises RuntimeError where the system has none left."""
    thread = Thread(run, name, again=again)
    thread.start()
    return thread


def faults() -> list[Fault]:
    """What ended threads lately, and what keeps them from working now."""
    with _lock:
        here = tuple(_all)
        over = [each for each in here if not each.is_alive() and each.started and each.fault() is None]
        _all[:] = [each for each in here if each not in over]
    calm_s = time.monotonic() - CALM_S
    return [
        *(fault for each in here if (fault := each.fault()) is not None),
        *(fault for died_s, fault in tuple(_strangers) if died_s > calm_s),
    ]


def watch_others() -> None:
    """From now on threads that libraries start don't die unseen either; nobody can begin them again."""
    threading.excepthook = _stranger_died


def _stranger_died(death: threading.ExceptHookArgs) -> None:
    name = "a library's" if death.thread is None else death.thread.name
    why = "no exception" if death.exc_value is None else told(death.exc_value)
    _strangers.append((time.monotonic(), Fault(name, why, 1)))
    logger.error("thread %s: %s; it is over", name, why, extra={"event": "thread-fault"})


def all_alive() -> bool:
    """Whether no vital thread rests from a fault."""
    with _lock:
        return all(each.well for each in _all if each.vital)


def left() -> list[str]:
    """Threads that still run, by name."""
    with _lock:
        return [each.name for each in _all if each.is_alive()]


def told(error: BaseException) -> str:
    """One line: what was raised, and where."""
    words = " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"unexpected {type(error).__name__}{f': {words}' if words else ''}{place}"


def _forget(thread: Thread) -> None:
    with _lock:
        if thread in _all:
            _all.remove(thread)
