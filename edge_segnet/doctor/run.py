"""Runs all checks, apart from each other and within a time limit."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final

from edge_segnet.core import threads
from edge_segnet.core.version import VERSION
from edge_segnet.doctor import checks
from edge_segnet.doctor.child import isolated
from edge_segnet.doctor.context import Context, find_settings, gather
from edge_segnet.doctor.place import Place
from edge_segnet.doctor.report import MODEL, Finding, Report, grey, red, yellow

LIMIT_S: Final = 7.0
"""For everything; starting Python and printing come on top, and ten seconds is what anybody waits."""


def examine(path: Path | None = None, place: Place | None = None, limit_s: float = LIMIT_S) -> Report:
    """Look at everything.

    Args:
        path: the settings; None: the installed ones, or the built-in ones.
        place: the machine; tests have others.
        limit_s: what has not answered by then is reported so.
    """
    started = time.monotonic()
    place = place or Place()
    context = gather(place, find_settings(place, path))
    tasks: list[Task] = [Apart(group, context) for group in checks.APART]
    tasks += [Here(name, function, context) for name, function in checks.HERE]
    findings = [finding for task in tasks for finding in task.wait(started + limit_s)]
    order = {name: place for place, name in enumerate(checks.ORDER)}
    findings.sort(key=lambda finding: order.get(finding.check, len(order)))
    shown = None if context.path is None else str(context.path)
    return Report(findings, VERSION, shown, time.monotonic() - started)


class Task(ABC):
    """Some checks on a thread, which may never come back."""

    def __init__(self, name: str) -> None:
        self._doing = name
        self._left: list[str] = []
        self._found: list[Finding] = []
        self._started = time.monotonic()
        self._thread = threads.Thread(self._work, f"doctor {name}", again=False)

    def wait(self, deadline: float) -> list[Finding]:
        """What was found until then."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        late, found = self._thread.is_alive(), list(self._found)
        self.stop()
        if late:
            seconds = time.monotonic() - self._started
            remedy = "something hangs: a driver, a name server, a network disk; dmesg | tail"
            found.append(yellow(self._doing, f"no answer within {seconds:.0f} s", remedy))
        return found + [grey(name, f"not checked, because of {self._doing}") for name in self._left]

    @abstractmethod
    def _work(self) -> None:
        """Fill ``_found``, keep ``_doing``."""

    def stop(self) -> None:  # noqa: B027 - most have nothing
        """Release what is left."""


class Here(Task):
    def __init__(self, name: str, function: str, context: Context) -> None:
        super().__init__(name)
        self._function, self._context = function, context
        self._thread.start()

    def _work(self) -> None:
        for finding in isolated(self._doing, self._function, self._context):
            self._found.append(finding)


class Apart(Task):
    """A group in a process of its own."""

    def __init__(self, group: checks.Group, context: Context) -> None:
        super().__init__(checks.APART[group][0][0])
        self._left = [name for name, _ in checks.APART[group]]
        self._request = {
            "group": group,
            "root": str(context.place.root),
            "config": None if context.path is None else str(context.path),
            "unit": None if context.unit is None else context.unit.properties,
        }
        self._process: subprocess.Popen[str] | None = None
        try:
            self._process = _start()
        except OSError as error:
            self._failed = f"{sys.executable} can't be started for this check ({error.strerror})"
        self._thread.start()

    def _work(self) -> None:
        if self._process is None:
            self._begin(self._doing)
            self._found.append(yellow(self._doing, self._failed, "is the environment readable for this user?"))
            return
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as request:
            request.write(json.dumps(self._request))
        with self._process.stdout as lines:
            for line in lines:
                message = json.loads(line)
                if "end" in message:
                    return
                if "begin" in message:
                    self._begin(message["begin"])
                else:
                    self._found.append(Finding(**message["finding"]))
        self._found.append(self._death(self._process.wait()))

    def _begin(self, name: str) -> None:
        self._doing = name
        self._left.remove(name)

    def _death(self, code: int) -> Finding:
        if code < 0:
            name = signal.Signals(-code).name
            remedy = "a native library is broken or made for another processor: install it again"
            return red(self._doing, MODEL, f"a process died by {name} at this check", remedy)
        return yellow(self._doing, f"a process ended at this check (exit code {code})", "tell us: that is a bug")

    def stop(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _start() -> subprocess.Popen[str]:
    # The same modules as here, not what lies in the current folder.
    program = f"import sys; sys.path[:] = {sys.path!r}; from edge_segnet.doctor.child import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
        encoding="utf-8",
    )
