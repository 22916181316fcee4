"""Files, folders and the rendered street as a camera: in real time, and from the start again if asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from edge_segnet.core.errors import BadFrame, EndOfStream, SourceLost
from edge_segnet.core.types import Frame
from edge_segnet.pictures.files import read_only
from edge_segnet.pictures.shape import fit_image, flip_image
from edge_segnet.sources.finite import FiniteSource
from edge_segnet.sources.live import FrameFormat

AGAIN_S = 1.0
"""Pause before a file that gave no frame at all is tried again."""


class PlayedSource:
    """Plays what ``open_source`` opens at a (width, height): a video at its own frame rate, pictures one a second.

    What is not ``paced`` keeps its own time. No frame is skipped here; who reads late gets the next one late.
    """

    live = False
    damaged = 0

    def __init__(
        self, open_source: Callable[[tuple[int, int]], FiniteSource], wish: FrameFormat, *, loop: bool, paced: bool
    ) -> None:
        """Open it.

        Raises:
            InputError: there is nothing to play.
        """
        self._open, self._wish, self._loop, self._paced = open_source, wish, loop, paced
        self._source = open_source(self._before_turn())
        self._seq = 0
        self._came = 0
        self._next: Frame | None = None
        self._due = time.monotonic()
        self._began = self._rest = self._due

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame when it is due.

        Raises:
            BadFrame: this one can't be decoded.
            EndOfStream: it is over, and shall not start again.
        """
        if self._paced and not _slept_until(self._rest, timeout_s):
            return None
        try:
            frame = self._next or self._source.read(timeout_s)
        except BadFrame:
            self._due = self._rest = time.monotonic() + 1.0 / self._source.fps
            raise
        except (EndOfStream, SourceLost) as end:
            if not self._loop:
                raise EndOfStream(end.message, hint=end.hint) from end
            self._start_again()
            return None
        if frame is None:
            return None
        self._next = frame
        if self._paced and not self._wait(self._when(frame), timeout_s):
            return None
        self._next = None
        self._came += 1
        if self._paced:
            # Numbers go on when it starts again.
            self._seq += 1
            now = time.monotonic_ns(), time.time()
            frame = replace(frame, seq=self._seq - 1, captured_ns=now[0], captured_at=now[1])
        return self._fitted(frame)

    def _when(self, frame: Frame) -> float:
        """When a frame is due: at its own time in the file, else one after the other at the source's rate."""
        if frame.media_s is None:
            return self._due
        return self._began + frame.media_s

    def resize(self, size: tuple[int, int]) -> None:
        """Frames come at ``size`` (width, height) from the next one on."""
        self._wish = replace(self._wish, size=size)
        if not self._paced:
            # The street is drawn at the size that is wanted, so that nobody draws more than is looked at.
            self._source.close()
            self._source = self._open(self._before_turn())

    def close(self) -> None:
        """Close what is played."""
        self._source.close()

    def _wait(self, due: float, timeout_s: float) -> bool:
        """Until a frame is due; one that is late moves all that follow, because none is skipped."""
        late_s = max(time.monotonic() - due - 1.0 / self._source.fps, 0.0)
        if not _slept_until(due, timeout_s):
            return False
        self._began += late_s
        self._due = due + late_s + 1.0 / self._source.fps
        return True

    def _start_again(self) -> None:
        self._source.close()
        if not self._came:
            self._due = self._rest = time.monotonic() + AGAIN_S
        self._began = max(self._due, time.monotonic())
        self._came = 0
        self._source = self._open(self._before_turn())

    def _before_turn(self) -> tuple[int, int]:
        width, height = self._wish.size
        return (height, width) if self._wish.flip in ("rotate-90", "rotate-270") else (width, height)

    def _fitted(self, frame: Frame) -> Frame:
        wish = self._wish
        if wish.flip == "none" and frame.image.shape[1::-1] == wish.size:
            return frame
        picture = flip_image(frame.image if frame.original is None else frame.original, wish.flip)
        image = read_only(fit_image(picture, wish.size, wish.fit))
        return replace(frame, image=image, original=None if picture is image else read_only(picture))


def _slept_until(due: float, timeout_s: float) -> bool:
    """Whether the time has come; sleeps for at most ``timeout_s``."""
    wait_s = due - time.monotonic()
    time.sleep(max(0.0, min(wait_s, timeout_s)))
    return wait_s <= timeout_s
