"""Frames from Python: ``edge_segnet.open_source``."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from edge_segnet.core import uris
from edge_segnet.core.errors import BadFrame, EndOfStream, InputError
from edge_segnet.core.types import Fit, Frame, Source
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import describe, open_camera
from edge_segnet.sources import open_source as open_described

logger = logging.getLogger(__name__)
SILENT_S: Final = 10.0
"""A camera that gives nothing for so long is given up."""


def open_source(source: str | int | Path, size: tuple[int, int], fit: Fit = "stretch") -> Frames:
    """Open pictures, a video or a camera.

    Args:
        source: a file, folder or glob, a USB camera's number, or a URI: csi://0, v4l2:///dev/video0, rtsp://...,
            http://..., synthetic://drive.
        size: (width, height) in pixels that the frames' ``image`` comes at: a ``Segmenter``'s.
        fit: ``stretch``, or ``crop`` the middle.

    Raises:
        InputError: nothing is there, or it can't be opened.
        UsageError: no such source.
    """
    uri = str(source)
    if uris.parse(uri).live:
        return Frames(open_camera(CameraConfig(source=uri), "camera", size, fit), uris.without_credentials(uri))
    return Frames(open_described(describe(uri), size, fit, paced=False), uri)


class Frames:
    """A ``Source``; also every frame in turn, in a ``for`` loop. A picture that can't be decoded is logged and skipped;
    ``skipped`` counts them.
    """

    def __init__(self, source: Source, shown: str) -> None:
        self._source, self._shown = source, shown
        self.skipped = 0

    def read(self, timeout_s: float) -> Frame | None:
        """As ``Source.read``."""
        return self._source.read(timeout_s)

    def __iter__(self) -> Iterator[Frame]:
        """Until the end of a file or folder; a camera has none.

        Raises:
            SourceLost: the camera broke.
            InputError: no frame came in ten seconds.
        """
        heard_s = time.monotonic()
        while True:
            try:
                frame = self._source.read(1.0)
            except EndOfStream:
                return
            except BadFrame as error:
                self.skipped += 1
                logger.warning("skipped %s", error)
                continue
            if frame is not None:
                yield frame
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > SILENT_S:
                raise InputError(f"{self._shown}: no frame in {SILENT_S:g} s", hint="is the camera plugged in?")

    def close(self) -> None:
        """Release the device or file; may be called twice."""
        self._source.close()

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()
