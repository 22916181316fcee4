"""Video files of every camera, one after the other. They play in real time, whatever the frame rate was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge_segnet.core.files import state_folder
from edge_segnet.core.types import Image, Result
from edge_segnet.pictures.overlay import RenderStyle, render
from edge_segnet.pictures.video import Reel, even
from edge_segnet.settings.messages import VideoConfig
from edge_segnet.sinks import Service
from edge_segnet.sinks.retention import Retention, require_folder
from edge_segnet.sinks.rolling import RollingWriter

SUFFIX: Final = ".mkv"
"""Matroska needs no index at its end: a file whose writer was killed still plays."""
SPARE: Final = 4_000_000
"""Bytes that FFmpeg may hold back before it writes."""
GAP_S: Final = 2.0
"""Without a picture for longer, the next one begins a new file."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture and its moment (monotonic)."""

    image: Image
    at_ns: int


class VideoSink:
    """MPEG-4 in Matroska, by OpenCV's FFmpeg."""

    def __init__(self, config: VideoConfig, _service: Service) -> None:
        """Raises SettingsError: the folder can't be written."""
        self._config = config
        self._shelf = Retention(
            require_folder(config.path or state_folder() / "videos", ("video", "path")), config, SUFFIX
        )
        self._reels: dict[str, RollingWriter[Shot]] = {}

    def start(self) -> None:
        """The first file is begun by the first result."""

    def publish(self, result: Result) -> None:
        """Draw and write the picture, if the video has a place for it."""
        frame = result.frame
        reel = self._reel(frame.camera)
        file = reel.file
        if isinstance(file, VideoFile):
            if file.gap_s(frame.captured_ns) > GAP_S:
                reel.finish()
            elif file.due(frame.captured_ns) < 1:
                return
        image = even(render(result, RenderStyle(self._config.kind)))
        if isinstance(file, VideoFile) and file.shape != image.shape:
            reel.finish()  # a video has one size
        reel.write(Shot(image, frame.captured_ns), frame.camera)

    def _reel(self, camera: str) -> RollingWriter[Shot]:
        if camera not in self._reels:
            rate = self._config.rate
            made: RollingWriter[Shot] = RollingWriter(
                "video", self._config, self._shelf, lambda path: VideoFile(path, rate), SPARE
            )
            self._reels = {**self._reels, camera: made}  # status() may be reading the old one
        return self._reels[camera]

    def status(self) -> dict[str, Any]:
        """As ``RollingWriter``, of all cameras together; ``cameras`` has each one's file."""
        told = {camera: reel.status() for camera, reel in self._reels.items()}
        errors = [each["error"] for each in told.values() if each["error"] is not None]
        return {
            "state": "stopped" if errors else "writing",
            "error": errors[0] if errors else None,
            "queue": 0,
            **{key: sum(each[key] for each in told.values()) for key in ("dropped", "written", "files")},
            "removed": self._shelf.removed,
            "cameras": {camera: each["file"] for camera, each in told.items()},
        }

    def close(self) -> None:
        """End all files."""
        for reel in self._reels.values():
            reel.finish()


class VideoFile:
    """Its n-th picture belongs n / rate seconds after its first: pictures are left out or repeated for that."""

    def __init__(self, path: Path, rate: float) -> None:
        """``rate``: pictures per second."""
        self._path, self._rate = path, rate
        self._writer: Reel | None = None
        self._first_ns, self._count = 0, 0
        self._last: Shot | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the last picture."""
        return () if self._last is None else self._last.image.shape

    def gap_s(self, at_ns: int) -> float:
        """From the last picture to that moment."""
        return 0.0 if self._last is None else (at_ns - self._last.at_ns) / 1e9

    def due(self, at_ns: int) -> int:
        """Pictures that are missing up to and with that moment."""
        return int((at_ns - self._first_ns) * self._rate / 1e9) + 1 - self._count if self._count else 1

    def write(self, item: Shot) -> None:
        """Write the picture, and before it, in the places that got none, the last one.

        Raises:
            OutputError: OpenCV can't write such a video.
        """
        times = self.due(item.at_ns)
        if self._writer is None:
            self._writer = Reel(self._path, self._rate, (item.image.shape[1], item.image.shape[0]))
            self._first_ns = item.at_ns
        for _ in range(times - 1):
            self._writer.write((self._last or item).image)
        self._writer.write(item.image)
        self._count += times
        self._last = item

    @property
    def size(self) -> int:
        """Bytes on disk; FFmpeg holds some back."""
        return self._path.stat().st_size if self._path.exists() else 0

    def close(self) -> None:
        """Finish it."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
