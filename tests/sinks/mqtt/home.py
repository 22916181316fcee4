"""A real Home Assistant at the broker of a test.

``EDGE_SEGNET_HOME_ASSISTANT`` is the command that runs a Python with the package ``homeassistant``: it needs one that
is newer than ours, so it has an environment of its own; ``tools/home_assistant.sh`` makes one.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "EDGE_SEGNET_HOME_ASSISTANT"
OURS = re.compile(r"^edge_segnet_[0-9a-f]{12}_")
SCRIPT = Path(__file__).with_name("robot_home.py")


@dataclass(frozen=True)
class Seen:
    """What it shows now: ``states`` by the end of our unique ids, and what its log said of MQTT."""

    states: dict[str, str]
    problems: list[str]


class Home:
    """A running Home Assistant."""

    def __init__(self, broker: int, folder: Path) -> None:
        command = [*shlex.split(os.environ[VARIABLE]), "-c", SCRIPT.read_text(encoding="utf-8")]
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._process = subprocess.Popen(
            [*command, str(broker), str(port), f"/tmp/{folder.name}-{broker}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert "LOADED" in self._line()["loaded"]

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told

    def look(self) -> Seen:
        """Every entity of ours."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        told = self._line()
        names = {OURS.sub("", unique): entity for unique, entity in told["unique_ids"].items()}
        states = {name: told["states"][entity] for name, entity in names.items() if entity in told["states"]}
        return Seen(states, told["problems"])

    def close(self) -> None:
        """End it."""
        try:
            self._process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


@contextmanager
def home_assistant(broker: int, folder: Path) -> Iterator[Home]:
    """One at the broker of that port; a skip where there is none."""
    if not os.environ.get(VARIABLE):
        pytest.skip(f"{VARIABLE} names no Python with Home Assistant (tools/home_assistant.sh makes one)")
    made = Home(broker, folder)
    try:
        yield made
    finally:
        made.close()
