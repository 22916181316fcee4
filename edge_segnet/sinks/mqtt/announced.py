"""What Home Assistant was ever told of us, over restarts, so that it can be told what is gone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from edge_segnet.core.errors import OutputError
from edge_segnet.core.files import read_file, write_bytes

logger = logging.getLogger(__name__)
MAX_BYTES: Final = 4 << 20
"""``MOST`` entries of 2 kB. A larger file is not ours."""
MOST: Final = 2000
"""Components that are remembered; beyond that the oldest are forgotten."""
_DEVICES: Final = TypeAdapter(dict[str, dict[str, str]])


class Announced:
    """Topic of a device -> key of a component -> its platform, in a small file; a file that can't be read is empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._devices = _DEVICES.validate_json(read_file(path, MAX_BYTES), strict=True)
        except (OSError, ValueError):
            self._devices = {}

    def complete(self, topic: str, components: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The components, and for each that there was and is no more the word that removes it (``platform`` alone)."""
        known = self._devices.get(topic, {})
        gone = {key: {"platform": platform} for key, platform in known.items() if key not in components}
        now = known | {key: str(each["platform"]) for key, each in components.items()}
        self._remember(self._devices | {topic: dict(list(now.items())[-MOST:])})
        return components | gone

    def others(self, topic: str | None) -> list[str]:
        """Topics of devices that we were under other settings; they are to be emptied."""
        return [each for each in self._devices if each != topic]

    def forget(self, topic: str) -> None:
        """It was emptied."""
        self._remember({key: value for key, value in self._devices.items() if key != topic})

    def _remember(self, devices: dict[str, dict[str, str]]) -> None:
        if devices == self._devices:
            return
        self._devices = devices
        try:
            write_bytes(self._path, _DEVICES.dump_json(devices))
        except OutputError as error:
            logger.warning("mqtt: after a restart, Home Assistant may keep what is gone (%s)", error.message)
