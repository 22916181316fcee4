"""A real mosquitto on loopback, with a configuration of its own, that can be killed, frozen and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import pytest

from tests.support.waiting import wait_until

PATH = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """Of loopback, for now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Mosquitto:
    """Keeps its port over restarts. ``lasting``: it keeps sessions on disk, over SIGKILL, as of ``save``."""

    def __init__(self, folder: Path, *lines: str, anonymous: bool = True, lasting: bool = False) -> None:
        if PATH is None:
            pytest.skip("mosquitto is not installed (Debian: apt install mosquitto)")
        self.port = free_port()
        self._folder = folder
        self._lasting = lasting
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(*lines, anonymous=anonymous)

    def configure(self, *lines: str, anonymous: bool = True) -> None:
        """What the next ``start`` reads."""
        user = pwd.getpwuid(os.geteuid()).pw_name  # started by root, it would become somebody who can't write here
        given = [
            f"user {user}",
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {str(anonymous).lower()}",
            "max_queued_messages 100000",
            f"persistence {str(self._lasting).lower()}",
            f"persistence_location {self._folder}/",
            *lines,
        ]
        self._config.write_text("".join(f"{line}\n" for line in given))

    @property
    def _config(self) -> Path:
        return self._folder / "mosquitto.conf"

    @property
    def log(self) -> str:
        """All that it said."""
        return (self._folder / "mosquitto.log").read_text(errors="replace")

    def start(self) -> Mosquitto:
        """Returns when it takes connections."""
        assert PATH is not None
        with (self._folder / "mosquitto.log").open("ab") as log:
            command = [PATH, "-v", "-c", str(self._config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        wait_until(self._answers)
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def freeze(self) -> None:
        """The process stands still; its sockets stay."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self.signal(signal.SIGCONT)

    def reload(self) -> None:
        """Read passwords and rights again."""
        self.signal(signal.SIGHUP)

    def save(self) -> None:
        """Write sessions to disk now."""
        database = self._folder / "mosquitto.db"
        before = database.stat().st_mtime_ns if database.exists() else 0
        self.signal(signal.SIGUSR1)
        wait_until(lambda: database.exists() and database.stat().st_mtime_ns != before)
        time.sleep(0.05)  # it is written in one go, before the next packet is read

    def kill(self) -> None:
        """Without a goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def __enter__(self) -> Mosquitto:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
