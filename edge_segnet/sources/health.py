"""Is a camera well? Judged from the times and bytes of its frames, on the monotonic clock. No threads here.

starting --first frame--> running <--new bytes-- static
    |                      |  |   --same bytes for ``static_after_s``-->  (goes on as it is)
    |                      |  |-- nothing to see --> black  --a picture--> running
    |                      |  `-- same stamps --> frozen  --+
    |                      |---- no frame ------> stalled --+--opened again--> running
    |                      `---- it broke ------> lost    --+
    `--it can't be opened--> missing --opened again--> running          ended: a file's or folder's last frame
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from edge_segnet.core.errors import BadFrame
from edge_segnet.core.types import Frame, Image

State = Literal[
    "starting", "running", "missing", "lost", "stalled", "frozen", "static", "black", "ended", "output_invalid"
]
"""missing: not one frame yet; lost: it broke; stalled: it sends nothing; frozen: it sends the same frame again and
again; static: new frames with the same bytes, which may be a very still scene; black: frames in which there is nothing
to see, a covered lens or a dead sensor; output_invalid: frames come well, but what the network makes of them is no
numbers."""

FIRST_FRAME_S: Final = 10.0
"""A stream starts at a key frame, and some cameras send one every ten seconds."""
SLOW: Final = 2.5
"""Times the longest of the last intervals."""
INTERVALS: Final = 4
"""Between frames, of which the longest counts: one late frame is soon forgotten."""
SLOWEST_S: Final = 60.0
"""Without a frame for so long a camera is stalled, however slow it was."""
RATE_WINDOW_S: Final = 5.0
"""Over which the frame rate is told: steady to look at, and a drop shows soon."""
_GRID: Final = 16
"""Every so many rows and columns are looked at: some thousand pixels tell a dark picture."""
DARK: Final = 24
"""Grey levels. Video's black is 16 where nobody stretched it to 0, and a dark sensor adds some noise."""
FEW_LIGHT: Final = 200
"""One bright pixel in so many is no picture: hot pixels, a time stamp that the camera draws."""


@dataclass(frozen=True)
class CameraStatus:
    """How a camera is. ``since_ns``: when that began (monotonic clock). ``message`` is one line without credentials.

    ``captured``, ``damaged``, ``bad`` count frames since the start: all that came, those that were not whole, those
    that could not be used, black ones among them. ``reconnects``: how often the picture came back.
    """

    state: State
    since_ns: int
    message: str
    reconnects: int
    captured: int
    damaged: int
    bad: int
    frames_per_second: float
    source_size: tuple[int, int] | None
    synthetic: bool


class Health:
    """Judges one opening of a source; make a new one at every reopening."""

    def __init__(
        self, stall_after_s: float, static_after_s: float, *, live: bool, first_s: float = FIRST_FRAME_S
    ) -> None:
        self._stall_s, self._static_s, self._live, self._first_s = stall_after_s, static_after_s, live, first_s
        self._fresh_ns = time.monotonic_ns()
        self._stamp: int | None = None
        self._repeats = 0
        self._intervals_s: deque[float] = deque(maxlen=INTERVALS)
        self._image: Image | None = None
        self._same_since_ns = 0
        self._bad = ""
        self._damaged = 0
        self._damaged_ns = 0
        self._seen_ns = self._fresh_ns
        """When a frame last showed something."""

    @property
    def patience_s(self) -> float:
        """For how much longer no frame is no fault; negative once it is one."""
        if self._stamp is None or self._is_healing():
            return max(self._first_s, self._stall_s) - self._silent_s()
        return self._usual_s() - self._silent_s()

    def _usual_s(self) -> float:
        """How long a frame may take: a camera of few frames a second is not stalled between two of them."""
        if not self._intervals_s and not self._repeats and not self._bad:
            return max(FIRST_FRAME_S, self._stall_s)  # one frame: its rate is not known yet
        return max(self._stall_s, min(SLOWEST_S, SLOW * max(self._intervals_s, default=0.0)))

    def _is_healing(self) -> bool:
        """Damaged pictures come, so a whole one will, at the next key frame."""
        return time.monotonic_ns() - self._damaged_ns <= self._stall_s * 1e9 and self._damaged > 0

    def note_damaged(self, count: int) -> None:
        """So many pictures of this opening were damaged."""
        if count != self._damaged:
            self._damaged, self._damaged_ns = count, time.monotonic_ns()

    def healing(self) -> str:
        """In words, when nothing but damaged pictures comes for longer than is usual; else empty."""
        if not self._live or not self._is_healing() or self._silent_s() <= self._stall_s:
            return ""
        return f"every picture is damaged for {self._silent_s():.1f} s; waits for a key frame"

    def is_new(self, frame: Frame) -> bool:
        """Take note of a frame; False: it has the timestamp of the one before.

        Raises:
            BadFrame: it is no colour picture.
        """
        image = frame.image
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise BadFrame(f"a frame of {image.dtype} {'x'.join(map(str, image.shape))} is no colour picture")
        if self._live and frame.captured_ns == self._stamp:
            self._repeats += 1
            return False
        now = time.monotonic_ns()
        if self._image is None or not _same(image, self._image):
            self._same_since_ns = now
        if self._stamp is not None:
            self._intervals_s.append((now - self._fresh_ns) / 1e9)
        self._fresh_ns, self._stamp, self._repeats, self._image, self._bad = now, frame.captured_ns, 0, image, ""
        return True

    def shows(self, frame: Frame) -> bool:
        """Whether there is anything to see in a new frame of a camera; files are taken as they are."""
        if self._live and empty(frame.image):
            return False
        self._seen_ns = time.monotonic_ns()
        return True

    def black_s(self) -> float:
        """For how long there has been nothing to see; 0 while that is not worth a word."""
        dark_s = (self._fresh_ns - self._seen_ns) / 1e9
        return dark_s if dark_s >= self._stall_s else 0.0

    def note_bad(self, message: str) -> None:
        """A frame could not be used."""
        self._bad = message

    def fault(self) -> tuple[State, str] | None:
        """What is wrong so that the source must be opened again, and why; None: nothing."""
        if not self._live or self.patience_s >= 0.0:
            return None
        silent_s = self._silent_s()
        if self._repeats:
            return "frozen", f"the same frame again and again for {silent_s:.1f} s"
        if self._bad:
            return "stalled", f"no good frame for {silent_s:.1f} s: {self._bad}"
        if self._is_healing():
            return "stalled", f"every picture is damaged for {silent_s:.1f} s"
        return "stalled", f"no frame for {silent_s:.1f} s"

    def _silent_s(self) -> float:
        return (time.monotonic_ns() - self._fresh_ns) / 1e9

    def static_s(self) -> float:
        """For how long every frame has had the same bytes; 0 while that is not worth a word."""
        same_s = (self._fresh_ns - self._same_since_ns) / 1e9
        return same_s if self._live and self._stamp is not None and same_s >= self._static_s else 0.0


def empty(image: Image) -> bool:
    """Whether a picture, uint8 [H,W,3] BGR, is black; or green all over, which is what zeros become on the way from a
    decoder that failed, or a driver that filled nothing in.
    """
    sample = image[::4, ::4]
    if int(np.count_nonzero(sample >= DARK)) * FEW_LIGHT < sample.size:
        return True
    blue, green, red = sample[0, 0].tolist()
    return max(blue, red) < DARK <= green and bool((image == image[0, 0]).all())


def _same(image: Image, other: Image) -> bool:
    # A few pixels tell almost always.
    step = _GRID
    return np.array_equal(image[::step, ::step], other[::step, ::step]) and np.array_equal(image, other)


class Tally:
    """Counts frames over all openings of a source, and numbers them."""

    def __init__(self) -> None:
        self.captured = 0
        self.bad = 0
        self.damaged = 0
        self._damaged_here = 0
        self._offset: int | None = None
        self._last = -1
        self._recent: deque[int] = deque(maxlen=512)

    def reopened(self) -> None:
        """The source numbers its frames from its own start again."""
        self._offset = None
        self._recent.clear()
        self._damaged_here = 0

    def note_damaged(self, count: int) -> None:
        """The source counts so many damaged pictures since it was opened."""
        self.damaged += count - self._damaged_here
        self._damaged_here = count

    def number(self, seq: int) -> int:
        """Count a frame that the source calls ``seq``; its number over all openings. Gaps stay gaps."""
        if self._offset is None or seq + self._offset <= self._last:
            self._offset = self._last + 1 - seq
        number = seq + self._offset
        self._last = number
        self.captured += 1
        self._recent.append(time.monotonic_ns())
        return number

    def frames_per_second(self) -> float:
        """Of the last five seconds; fades out when nothing comes."""
        now = time.monotonic_ns()
        stamps = [stamp for stamp in tuple(self._recent) if now - stamp <= RATE_WINDOW_S * 1e9]
        return (len(stamps) - 1) / max((now - stamps[0]) / 1e9, 1e-3) if len(stamps) > 1 else 0.0
