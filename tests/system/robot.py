"""What tests ask of a machine with the service on it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.system.machine import Done, Machine

UNIT: Final = "edge-segnet"
CONFIG: Final = "/etc/edge-segnet/config.yaml"


@dataclass
class Robot:
    """A machine; all commands run as root, inside."""

    machine: Machine

    def run(self, command: str, timeout: float = 120) -> Done:
        return self.machine.run(command, timeout)

    def ok(self, command: str, timeout: float = 120) -> str:
        """Standard output of a command that must work."""
        return self.machine.ok(command, timeout)

    def start(self, command: str) -> None:
        """A program that stays: ``--unit=NAME PROGRAM ARGUMENTS``."""
        self.machine.start(command)

    def wait(self, command: str, seconds: float = 30) -> str:
        return self.machine.wait(command, seconds)

    def show(self, name: str, unit: str = UNIT) -> str:
        """A property of a unit."""
        return self.ok(f"systemctl show {unit} --property={name} --value").strip()

    def wait_ready(self, seconds: float = 40) -> None:
        """Until the dashboard says so."""
        self.wait("curl -sf http://127.0.0.1:8080/readyz", seconds)

    def wait_pid(self, before: int, seconds: float = 30) -> int:
        """Until another process is the service."""
        end = time.monotonic() + seconds
        while (pid := int(self.show("MainPID"))) in (0, before) or self.show("ActiveState") != "active":
            assert time.monotonic() < end, self.log()
            time.sleep(0.1)
        return pid

    @property
    def pid(self) -> int:
        return int(self.show("MainPID"))

    def log(self) -> str:
        """The service's journal."""
        return self.ok(f"journalctl -u {UNIT} --no-pager -o cat")

    def write(self, path: str, text: str) -> None:
        """A file inside, with the rights that it has."""
        target: Path = self.machine.file(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def read(self, path: str) -> str:
        return self.machine.file(path).read_text(encoding="utf-8")

    def limit(self, **values: str) -> None:
        """Shorter limits than a robot's, by a drop-in."""
        start = {key: value for key, value in values.items() if key.startswith("StartLimit")}
        service = {key: value for key, value in values.items() if key not in start}
        lines = ["[Unit]", *(f"{key}={value}" for key, value in start.items())]
        lines += ["[Service]", *(f"{key}={value}" for key, value in service.items())]
        self.write(f"/etc/systemd/system/{UNIT}.service.d/test.conf", "\n".join(lines) + "\n")
        self.ok("systemctl daemon-reload")

    def settings(self, source: str = "http://127.0.0.1:9000/camera.mjpg", more: str = "") -> None:
        """Other settings in the place of those that are there."""
        self.write(CONFIG, f"cameras: {{front: {{source: '{source}'}}}}\n{more}")
