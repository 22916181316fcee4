"""How long a command takes, and how much memory at its largest."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Final

_SMALL: Final = """
import os, subprocess, sys, time
started = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(time.perf_counter() - started, usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status))
"""
"""Starts the command. Linux counts what a process was before ``exec`` as its own: of a large one's child that is the
parent's peak, and benchmarks are large.
"""


@dataclass(frozen=True)
class Run:
    """``memory``: bytes of the largest resident set; ``said``: standard error."""

    seconds: float
    memory: int
    code: int
    said: str


def run(command: list[str]) -> Run:
    """From its start to its end, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", _SMALL, *command], capture_output=True, text=True, check=True)
    seconds, memory, code = done.stdout.split()
    return Run(float(seconds), int(memory), int(code), done.stderr)
