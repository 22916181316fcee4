"""MCAP recordings: all the time, or as a flight recorder that writes what was before and after an event.

    publish (fan-out's thread) encodes ─► Recorder (own thread) ─► Folder ─► McapFile

Foxglove opens the files as they are, or ROS 2 does: ``foxglove_messages.py``, ``ros2_messages.py``. A file whose writer
was killed is readable to its last chunk, a second ago at most, and is completed at the next start.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from edge_segnet.core.errors import SettingsError
from edge_segnet.core.files import state_folder
from edge_segnet.core.pace import RateLimiter
from edge_segnet.core.types import Result
from edge_segnet.sinks import Service
from edge_segnet.sinks.files.retention import require_folder
from edge_segnet.sinks.recording.settings import RecordingConfig
from edge_segnet.sinks.recording.spec import RecordingStatus

if TYPE_CHECKING:
    from edge_segnet.sinks.recording.foxglove_messages import FoxgloveMessages
    from edge_segnet.sinks.recording.recorder import Recorder
    from edge_segnet.sinks.recording.ros2_messages import Ros2Messages

CLOSE_S: Final = 0.9
"""Of the 1.5 s that all sinks have at the end, side by side."""
STATUS_S: Final = 1.0


class RecordingSink:
    """A sink; see the settings for what it records, and when."""

    def __init__(self, config: RecordingConfig, service: Service) -> None:
        """Raises SettingsError: the folder can't be written, or the extra is not installed."""
        try:
            from edge_segnet.sinks.messages import LogTap
            from edge_segnet.sinks.recording.folder import Folder
            from edge_segnet.sinks.recording.foxglove_messages import FoxgloveMessages
            from edge_segnet.sinks.recording.recorder import Recorder
            from edge_segnet.sinks.recording.ros2_messages import Ros2Messages
        except ImportError as error:
            what, hint = f"mcap and foxglove-sdk are needed ({error})", "pip install 'edge-segnet[recording]'"
            raise SettingsError(what, hint=hint, key=("recording",)) from error
        self._config, self._service = config, service
        make = Ros2Messages if config.message_schema == "ros2" else FoxgloveMessages
        self._messages: FoxgloveMessages | Ros2Messages = make(service, config.images, config.quality)
        path = require_folder(config.path or state_folder() / "recordings", ("recording", "path"))
        self._folder = Folder(path, config, self._metadata)
        self._recorder: Recorder = Recorder(self._folder, config, self._collect)
        self._turns = RateLimiter(config.rate)
        self._log = LogTap(lambda record: self._recorder.put(self._messages.log(record)))
        self._cursor = service.events.last_id
        self._status_s = float("-inf")

    def start(self) -> None:
        """Begin to record."""
        self._recorder.start()
        logging.getLogger().addHandler(self._log)

    def publish(self, result: Result) -> None:
        """Encode and hand over; the disk is never waited for."""
        if not self._turns.mine(result.frame.camera):
            return
        for message in self._messages.frame(result):
            self._recorder.put(message)

    def trigger(self, label: str) -> None:
        """Have the flight recorder write; ``label`` stands in the file's name."""
        self._recorder.trigger(label)

    def status(self) -> RecordingStatus:
        """What ``/api/status`` shows."""
        file, folder, told = self._folder.open_file, self._folder, self._recorder.status()
        return {
            **told,
            "written": told["written"] - folder.lost,
            "dropped": told["dropped"] + folder.lost,
            "mode": self._config.mode,
            "path": str(folder.shelf.path),
            "file": None if file is None else file.name,
            "files": folder.files,
            "removed": folder.shelf.removed,
        }

    def close(self) -> None:
        """End the file, within a second."""
        logging.getLogger().removeHandler(self._log)
        self._recorder.close(CLOSE_S)

    def _collect(self) -> None:
        """What comes by itself: events, which trigger the flight recorder, and the state once a second."""
        for event in self._service.events.since(self._cursor):
            for message in self._messages.event(event):
                self._recorder.put(message)
            self._cursor = event.id
            if event.kind == "start":
                self._recorder.trigger(event.rule)
        now_s = time.monotonic()
        if now_s - self._status_s >= STATUS_S:
            self._status_s = now_s
            self._recorder.put(self._messages.status())

    def _metadata(self) -> Mapping[str, str]:
        """What stands at the head of every file."""
        status, view = self._service.status(), self._service.view
        keys = {"version", "model", "model_sha256", "backend", "network_size", "licence"}
        told = status.model_dump(include=keys, exclude_none=True)
        words = {key: str(value) for key, value in told.items()}
        return {**words, "classes": json.dumps(None if view is None else view.classes.to_dict())}
