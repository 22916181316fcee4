"""A process that can be killed: ``python -m tests.sinks.mqtt.publisher PORT`` reads lines "FIRST LAST", has those
events happen, and says so.
"""

from __future__ import annotations

import os
import subprocess
import sys

from edge_segnet.core.files import state_folder
from edge_segnet.scene.events import EventLog
from edge_segnet.sinks.mqtt.sink import MqttSink
from tests.sinks.mqtt.stage import config, happen
from tests.support.service import StreetService


class Publisher:
    """The process, from outside."""

    def __init__(self, port: int) -> None:
        command = [sys.executable, "-m", "tests.sinks.mqtt.publisher", str(port)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ)

    def happen(self, first: int, last: int) -> None:
        """Those events are on disk when this returns."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(first, last, file=self._process.stdin, flush=True)
        assert self._process.stdout.readline() == "done\n"

    def kill(self) -> None:
        """Without a goodbye."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()


def main() -> None:
    """From inside."""
    service = StreetService()
    service.events = EventLog(state_folder() / "events")
    MqttSink(config(int(sys.argv[1])), service).start()
    for line in sys.stdin:
        first, last = map(int, line.split())
        happen(service.events, *range(first, last))
        print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
