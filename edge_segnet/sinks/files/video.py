"""Video files of every camera, one after the other: each picture at its own moment, whatever the frame rate was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_segnet.core.files import state_folder
from edge_segnet.core.types import Image, Result
from edge_segnet.pictures.files import encode
from edge_segnet.pictures.overlay import RenderStyle, render
from edge_segnet.sinks import Service
from edge_segnet.sinks.files.matroska import MatroskaFile, repair
from edge_segnet.sinks.files.raw import RawFile
from edge_segnet.sinks.files.retention import Retention, require_folder
from edge_segnet.sinks.files.rolling import RollingWriter, finish_leftovers
from edge_segnet.sinks.files.settings import VideoConfig
from edge_segnet.sinks.files.spec import VideoStatus

SUFFIX: Final = ".mkv"
SPARE: Final = 1_000_000
"""Bytes: a picture, and the index at the end."""
GAP_S: Final = 2.0
"""Without a picture for longer, the next one begins a new file."""
QUALITY: Final = 85
"""Of Motion JPEG's pictures; less than the 90 of pictures that are looked at one by one."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture and its moment (monotonic)."""

    image: Image
    at_ns: int


class VideoSink:
    """Motion JPEG in Matroska."""

    def __init__(self, config: VideoConfig, _service: Service) -> None:
        """Raises SettingsError: the folder can't be written."""
        folder = require_folder(config.path or state_folder() / "videos", ("video", "path"))
        self._config, self._shelf = config, Retention(folder, config, SUFFIX)
        self._reels: dict[str, RollingWriter[Shot]] = {}

    def start(self) -> None:
        """What was left is finished; the first file is begun by the first result."""
        finish_leftovers("video", self._shelf, repair)

    def publish(self, result: Result) -> None:
        """Draw and write the picture, if the video has a place for it."""
        frame = result.frame
        reel = self._reel(frame.camera)
        file = reel.file
        if isinstance(file, VideoFile):
            if file.gap_s(frame.captured_ns) > GAP_S:
                reel.next_file()
            elif not file.due(frame.captured_ns):
                return
        image = render(result, RenderStyle(self._config.kind))
        if isinstance(file, VideoFile) and file.shape != image.shape:
            reel.next_file()  # a video has one size
        reel.write(Shot(image, frame.captured_ns), frame.camera)

    def _reel(self, camera: str) -> RollingWriter[Shot]:
        if camera not in self._reels:
            rate = self._config.rate
            made: RollingWriter[Shot] = RollingWriter(
                "video", self._config, self._shelf, lambda path: VideoFile(path, rate), SPARE
            )
            self._reels = {**self._reels, camera: made}  # status() may be reading the old one
        return self._reels[camera]

    def status(self) -> VideoStatus:
        """As ``RollingWriter``, of all cameras together; ``cameras`` has each one's file."""
        told = {camera: reel.status() for camera, reel in self._reels.items()}
        errors = [each["error"] for each in told.values() if each["error"] is not None]
        return {
            "state": "stopped" if errors else "writing",
            "error": errors[0] if errors else None,
            "queue": 0,
            "dropped": sum(each["dropped"] for each in told.values()),
            "written": sum(each["written"] for each in told.values()),
            "files": sum(each["files"] for each in told.values()),
            "removed": self._shelf.removed,
            "cameras": {camera: each["file"] for camera, each in told.items()},
        }

    def close(self) -> None:
        """End all files."""
        for reel in self._reels.values():
            reel.finish()


class VideoFile:
    """At most ``rate`` pictures a second, on average."""

    def __init__(self, path: Path, rate: float) -> None:
        """Nothing is written before the first picture, which says how large they are."""
        self._path, self._rate = path, rate
        self._video: MatroskaFile | None = None
        self._first_ns, self._count = 0, 0
        self._last: Shot | None = None

    @property
    def file(self) -> RawFile:
        """Where it goes; there is one from the first picture on."""
        assert self._video is not None
        return self._video.file

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the last picture."""
        return () if self._last is None else self._last.image.shape

    def gap_s(self, at_ns: int) -> float:
        """From the last picture to that moment."""
        return 0.0 if self._last is None else (at_ns - self._last.at_ns) / 1e9

    def due(self, at_ns: int) -> bool:
        """Whether that moment still has a place for a picture."""
        return int((at_ns - self._first_ns) * self._rate / 1e9) + 1 > self._count

    def write(self, item: Shot) -> None:
        """Write the picture; raises OSError."""
        jpeg = encode(item.image, ".jpg", QUALITY)
        if self._video is None:
            self._video = MatroskaFile(self._path, (item.image.shape[1], item.image.shape[0]), self._rate)
            self._first_ns = item.at_ns
        self._video.write(jpeg, max(0, (item.at_ns - self._first_ns) // 1_000_000))
        # Late pictures don't earn those after them a place of their own.
        self._count = max(self._count, int((item.at_ns - self._first_ns) * self._rate / 1e9)) + 1
        self._last = item

    def close(self) -> None:
        """Finish it; raises OSError."""
        if self._video is not None:
            self._video.close()
            self._video = None
