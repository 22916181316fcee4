"""The sink itself."""

from __future__ import annotations

from edge_segnet.core.errors import SettingsError
from edge_segnet.core.types import Result
from edge_segnet.sinks import Service
from tests.sinks.toy.settings import ToyConfig
from tests.sinks.toy.spec import ToyStatus


class ToySink:
    """Writes a line per result."""

    def __init__(self, config: ToyConfig, _service: Service) -> None:
        if config.word == "refused":
            raise SettingsError("that word is not written", hint="take another", key=("toy", "word"))
        self._config, self._written = config, 0

    def start(self) -> None:
        self._config.path.touch()

    def publish(self, result: Result) -> None:
        with self._config.path.open("a", encoding="utf-8") as file:
            file.write(f"{self._config.word} {result.frame.seq}\n")
        self._written += 1

    def status(self) -> ToyStatus:
        return {"state": "writing", "error": None, "queue": 0, "written": self._written}

    def close(self) -> None:
        """Nothing is held."""
