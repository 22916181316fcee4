"""Which events the broker has, over restarts."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from edge_segnet.core.errors import OutputError
from edge_segnet.core.files import read_file, write_bytes
from edge_segnet.scene.events import EventLog

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Position:
    """An event: ``id`` for the log, ``seq`` to count gaps: 0 before the first, -1 where nobody knows."""

    id: str = ""
    seq: int = 0


UNKNOWN: Final = Position("", -1)
MAX_BYTES: Final = 4096
"""Of the file, which has some hundred."""
_POSITIONS: Final = TypeAdapter(Position)


class Cursor:
    """A position in a small file. While it can't be written, a restart costs doubles, never an event."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._warned = False

    def load(self, log: EventLog) -> Position:
        """Where to go on; at the very first time, with what comes from now on."""
        try:
            data = read_file(self._path, MAX_BYTES)
        except FileNotFoundError:
            newest = log.newest(1)
            position = Position(newest[0].id, newest[0].seq) if newest else Position()
            self.save(position)
            return position
        except OSError:
            return UNKNOWN
        try:
            return _POSITIONS.validate_json(data, strict=True)
        except ValueError:
            return UNKNOWN  # cut off by a power failure: everything is sent again, with the same ids

    def save(self, position: Position) -> None:
        """Remember; one warning while that fails."""
        try:
            write_bytes(self._path, json.dumps({"id": position.id, "seq": position.seq}).encode())
        except OutputError as error:
            if not self._warned:
                logger.warning("mqtt: after a restart, events may be sent twice (%s)", error.message)
            self._warned = True
        else:
            self._warned = False
