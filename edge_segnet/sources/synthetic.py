"""``synthetic://drive``: the rendered street as a source. Its frames are marked synthetic."""

from __future__ import annotations

import math
import time

from edge_segnet.core.errors import EndOfStream, UsageError
from edge_segnet.core.types import Frame, Labels
from edge_segnet.street import Street
from edge_segnet.street.camera import FRAMES_PER_SECOND

_KEPT_TRUTHS = 8


class SyntheticSource:
    """Drives down a street and hands out its pictures.

    Frame ``seq`` shows the street seq/fps seconds after the start, so a lower rate does not slow the drive down.
    When ``paced``, a frame comes when it is due, and a reader that is late gets the newest one: the gap in ``seq`` is
    what it missed. Otherwise every frame comes at once, one after the other.
    """

    def __init__(
        self,
        size: tuple[int, int] = (480, 360),
        *,
        fps: float = 30.0,
        seed: int = 0,
        paced: bool = True,
        limit: int | None = None,
        camera: str = "synthetic",
    ) -> None:
        """``size``: (width, height); ``limit``: frames of the whole drive, None for an endless one.

        Raises:
            UsageError: a rate that is not positive, a negative limit, or a size too small to show anything.
        """
        if not (math.isfinite(fps) and fps > 0.0):
            raise UsageError(f"{fps} frames per second", hint="fps must be positive")
        if limit is not None and limit < 0:
            raise UsageError(f"a limit of {limit} frames", hint="leave it out for an endless drive")
        self.fps = fps
        self._paced, self._limit, self._camera = paced, limit, camera
        self._street = Street(size, seed)
        self._truths: dict[int, Labels] = {}
        self._next = 0
        self._start_ns: int | None = None

    @property
    def length(self) -> int | None:
        """How many frames there will be; None: it never ends."""
        return self._limit

    def read(self, timeout_s: float = 1.0) -> Frame | None:
        """The next frame, or None if none falls due within ``timeout_s``.

        Raises:
            EndOfStream: ``limit`` is reached.
        """
        seq = self._next
        now_ns = time.monotonic_ns()
        if self._paced:
            if self._start_ns is None:
                self._start_ns = now_ns - self._due_ns(seq)
            seq = max(seq, int((now_ns - self._start_ns) * self.fps / 1e9))
        if self._limit is not None and seq >= self._limit:
            raise EndOfStream(f"the drive ends after {self._limit} frames")
        if self._paced and self._start_ns is not None:
            wait_s = (self._start_ns + self._due_ns(seq) - now_ns) / 1e9
            if wait_s > timeout_s:
                time.sleep(max(timeout_s, 0.0))
                return None
            if wait_s > 0.0:
                time.sleep(wait_s)
        self._next = seq + 1
        return self._frame(seq)

    def truth(self, seq: int) -> Labels:
        """The exact labels uint8 [H,W] (CamVid-11) of frame ``seq``; read-only, and quick for the latest frames."""
        found = self._truths.get(seq)
        if found is None:
            found = self._street.render(self._index(seq))[1]
            found.setflags(write=False)
        return found

    def close(self) -> None:
        """Nothing is held but memory."""
        self._truths.clear()

    def _due_ns(self, seq: int) -> int:
        return int(seq * 1e9 / self.fps)

    def _index(self, seq: int) -> int:
        """The street's own frames come at 30 per second."""
        return round(seq * FRAMES_PER_SECOND / self.fps)

    def _frame(self, seq: int) -> Frame:
        # The moment before rendering: the picture's content is as old as that.
        captured_ns, captured_at = time.monotonic_ns(), time.time()
        image, labels = self._street.render(self._index(seq))
        image.setflags(write=False)
        labels.setflags(write=False)
        self._truths[seq] = labels
        while len(self._truths) > _KEPT_TRUTHS:
            del self._truths[next(iter(self._truths))]
        return Frame(
            image=image,
            original=None,
            seq=seq,
            captured_ns=captured_ns,
            captured_at=captured_at,
            camera=self._camera,
            synthetic=True,
        )
