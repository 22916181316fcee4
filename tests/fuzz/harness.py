"""Runs a target's cases in child processes: a case that hangs, crashes or eats memory costs its child only.

What counts as a fault of ours: anything but a value or an ``EdgeSegnetError`` whose message is one line of bearable
length; more than ``HANG_S`` seconds; a process that grew beyond ``MAX_MB``.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

HANG_S: Final = 5.0
MAX_MB: Final = 1000
GOOD: Final = ("accepted", "refused", "unmade")
"""``unmade``: the mutator itself could not build the case."""
START_S: Final = 60.0
"""For the imports of a child on a busy machine."""


@dataclass
class Report:
    """What became of a target's cases; ``faults``: kind and place -> (how often, the first case's number)."""

    name: str
    cases: int = 0
    seconds: float = 0.0
    peak_mb: int = 0
    slowest_s: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    faults: dict[str, tuple[int, int]] = field(default_factory=dict)

    def count(self, kind: str, number: int, what: str = "") -> None:
        """Note one case's end."""
        self.cases += 1
        self.kinds[kind] += 1
        if kind not in GOOD:
            key = f"{kind}: {re.sub(r'[0-9]{3,}', 'N', what)}"
            often, first = self.faults.get(key, (0, number))
            self.faults[key] = often + 1, first

    def line(self) -> str:
        """One row of the table."""
        good = ", ".join(f"{self.kinds[kind]} {kind}" for kind in GOOD if self.kinds[kind])
        bad = sum(often for often, _ in self.faults.values())
        figures = f"{self.cases:6d} cases {self.seconds:5.1f} s  {self.peak_mb:4d} MB  {self.slowest_s:4.1f} s"
        return f"{self.name:10s} {figures}  {bad} faults  ({good})"


def fuzz(name: str, folder: Path, *, cases: int, seed: int, limit_s: float) -> Report:
    """Run a target until its cases or its time are used up."""
    report = Report(name)
    began_s = time.monotonic()
    deadline_s = began_s + limit_s
    first = 0
    while first < cases and time.monotonic() < deadline_s:
        first = _Child(report, folder, first, cases, seed).watch(deadline_s)
    report.seconds = time.monotonic() - began_s
    return report


class _Child:
    """One worker process and the case that it is at."""

    def __init__(self, report: Report, folder: Path, first: int, cases: int, seed: int) -> None:
        self._report, self._at, self._begun_s = report, first, time.monotonic() + START_S
        self._running = self._fat = False
        command = [sys.executable, "-m", "tests.fuzz.worker", report.name, str(folder), str(first), str(cases)]
        self._process = subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def watch(self, deadline_s: float) -> int:
        """Follow it to its end; gives the number of the case to go on with."""
        out = self._process.stdout
        assert out is not None
        rest = b""
        while True:
            ready, _, _ = select.select([out], [], [], 0.2)
            data = os.read(out.fileno(), 65536) if ready else b""
            if ready and not data:
                return self._ended()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._hear(json.loads(line))
                if self._fat:  # what it holds now would be counted against the next case
                    self._kill()
                    return self._at
            now_s = time.monotonic()
            if now_s - self._begun_s > HANG_S + 1.0:
                self._kill()
                self._report.count("hang", self._at, f"no end after {HANG_S:g} s")
                return self._at + 1
            if now_s > deadline_s:
                self._kill()
                return self._at

    def _hear(self, message: dict[str, Any]) -> None:
        self._begun_s = time.monotonic()
        if "begin" in message:
            self._at, self._running = message["begin"], True
            return
        self._running = False
        report = self._report
        report.peak_mb = max(report.peak_mb, message["mb"])
        report.slowest_s = max(report.slowest_s, message["s"])
        kind, what = message["kind"], message["what"]
        if kind in GOOD and message["mb"] > MAX_MB:
            kind, what, self._fat = "memory", f"{message['mb']} MB", True
        if kind in GOOD and message["s"] > HANG_S:
            kind, what = "slow", f"{message['s']:.0f} s"
        report.count(kind, self._at, what)
        self._at += 1

    def _kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()

    def _ended(self) -> int:
        _, errors = self._process.communicate()
        code = self._process.returncode
        if code == 0:
            return self._at
        if not self._running:
            raise SystemExit(f"{self._report.name}: the fuzzer itself failed ({code}):\n{errors.decode()[-2000:]}")
        what = signal.Signals(-code).name if code < 0 else f"exit {code}"
        self._report.count("crash", self._at, what)
        return self._at + 1
