"""``edge-segnet run`` as a service manager sees it: a process, its log, its sd_notify messages, its addresses."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from tests.support.waiting import wait_until


class Program:
    """A running service; ``log`` and ``told`` grow while it lives."""

    def __init__(
        self,
        arguments: list[str],
        environment: Mapping[str, str],
        folder: Path | None = None,
        launcher: Sequence[str] = (),
        python: str = sys.executable,
    ) -> None:
        """``folder``: where it runs; ``launcher``: a command that runs a command."""
        self.log: list[str] = []
        self.told: list[tuple[float, str]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="edge-segnet-")
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(f"{self._folder.name}/notify")
        self._manager.settimeout(0.1)
        self.started = time.monotonic()
        variables = {**os.environ, "NOTIFY_SOCKET": f"{self._folder.name}/notify", **environment}
        command = [*launcher, python, "-m", "edge_segnet", "run", *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=variables, cwd=folder)
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._read_log, self._listen)]
        for thread in self._threads:
            thread.start()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.rstrip("\n"))

    def _listen(self) -> None:
        while True:
            try:
                message = self._manager.recv(4096).decode()
            except TimeoutError:
                if self.process.poll() is not None:
                    return
                continue
            except OSError:
                return
            self.told.extend((time.monotonic(), line) for line in message.splitlines())

    def heard(self, message: str) -> int:
        """How often the service manager was told so."""
        return sum(line.startswith(message) for _, line in tuple(self.told))

    def wait_ready(self) -> float:
        """Seconds from the start until READY=1."""
        wait_until(lambda: self.heard("READY=1") or self.process.poll() is not None, 40)
        assert self.heard("READY=1"), self.log
        return next(when for when, line in self.told if line == "READY=1") - self.started

    @property
    def url(self) -> str:
        """Of the dashboard."""
        wait_until(lambda: any("dashboard: " in line for line in self.log))
        found = (re.search(r"dashboard: (https?://[^\s;]+)", line) for line in self.log)
        return next(match[1] for match in found if match)

    def get(self, path: str) -> httpx.Response:
        """Ask the service."""
        return httpx.get(self.url + path, timeout=20)

    def end(self, number: int = signal.SIGTERM) -> float:
        """Send a signal; seconds until the process was gone."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(20)
        return time.monotonic() - began

    def close(self) -> None:
        """Nothing stays behind, whatever happened."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        for thread in self._threads:
            thread.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()
        self._manager.close()
        self._folder.cleanup()


@contextlib.contextmanager
def program(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, launcher: Sequence[str] = ()
) -> Iterator[Program]:
    """Run ``edge-segnet run`` with an HTTP port of its own, unless the arguments say otherwise."""
    given = [str(argument) for argument in arguments]
    if not any("http" in argument for argument in given):
        given += ["--set", "http.port=0"]
    made = Program(given, environment or {}, launcher=launcher)
    try:
        yield made
    finally:
        made.close()
