"""The frames of a task, in a worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from edge_segnet.core.errors import BadFrame, EndOfStream
from edge_segnet.core.types import Fit, Frame
from edge_segnet.offline.label.plan import Task
from edge_segnet.sources import FiniteSource


@dataclass(frozen=True, eq=False)
class Taken:
    """A frame of the input; ``at_ns`` its time there, in nanoseconds, None for pictures."""

    seq: int
    at_ns: int | None
    frame: Frame


class Selector:
    """Which frames are labelled: with ``every_s`` the first one of every so long a stretch of time. It is enough to
    know the times of a frame and of the one before it, so a clock that jumps costs nothing.
    """

    def __init__(self, every_s: float | None, times: list[int] | None = None) -> None:
        """``times``: of all frames, nanoseconds; None: they are told one after the other."""
        self._every_ns = None if every_s is None else max(1, round(every_s * 1e9))
        self._times = times
        self._start: int | None = times[0] if times else None
        self._before: int | None = None

    def wants(self, seq: int, at_ns: int) -> bool:
        """Whether the frame with that number and time is one of them."""
        if self._every_ns is None:
            return True
        if self._times is not None:
            before = self._times[seq - 1] if seq else None
        else:
            self._start = at_ns if self._start is None else self._start
            before, self._before = self._before, at_ns
        return before is None or self._slot(at_ns) != self._slot(before)

    def _slot(self, at_ns: int) -> int:
        assert self._every_ns is not None and self._start is not None
        return (at_ns - self._start) // self._every_ns


def frames_of(
    task: Task, size: tuple[int, int], fit: Fit, every_s: float | None, done: set[int]
) -> Iterator[Taken | str]:
    """Frames at network ``size`` (width, height), those of ``done`` parts left out; a text says what was wrong with
    one that can't be had.

    Raises:
        InputError: the input can't be read, or breaks off there.
    """
    with closing(_opened(task, size, fit, every_s, done)) as source:
        while True:
            try:
                found = source.next()
            except BadFrame as error:
                yield error.message
                continue
            except EndOfStream:
                return
            if found is not None:
                yield found


def _opened(task: Task, size: tuple[int, int], fit: Fit, every_s: float | None, done: set[int]) -> _Opened:
    item = task.item
    if item.kind == "recording":
        return _Recorded(task, size, fit, every_s, done)
    if item.kind == "video":
        from edge_segnet.sources.video_file import VideoFile

        return _Film(VideoFile(Path(item.uri), size, fit), Selector(every_s), item.span, done)
    from edge_segnet.sources.images import ImageSource

    return _Pictures(ImageSource([Path(file) for file in item.files], size, fit), task.first)


class _Opened:
    def __init__(self, source: FiniteSource) -> None:
        self._source = source

    def next(self) -> Taken | None:
        """None: not this one. Raises as a source's ``read``."""
        raise NotImplementedError

    def _read(self) -> Frame:
        frame = self._source.read()
        assert frame is not None
        return frame

    def close(self) -> None:
        """Close the file."""
        self._source.close()


class _Pictures(_Opened):
    def __init__(self, source: FiniteSource, first: int) -> None:
        super().__init__(source)
        self._first = first

    def next(self) -> Taken:
        frame = self._read()
        seq = self._first + frame.seq
        return Taken(seq, None, replace(frame, seq=seq))


class _Film(_Opened):
    def __init__(self, source: FiniteSource, selector: Selector, span: int, done: set[int]) -> None:
        super().__init__(source)
        self._selector, self._span, self._done = selector, span, done

    def next(self) -> Taken | None:
        frame = self._read()
        at_ns = round(1e9 * (frame.media_s or 0.0))
        wanted = self._selector.wants(frame.seq, at_ns)
        return Taken(frame.seq, at_ns, frame) if wanted and frame.seq // self._span not in self._done else None


class _Recorded(_Opened):
    def __init__(self, task: Task, size: tuple[int, int], fit: Fit, every_s: float | None, done: set[int]) -> None:
        from edge_segnet.sources.mcap_messages import Part
        from edge_segnet.sources.mcap_outline import all_times, read_outline
        from edge_segnet.sources.recordings import RecordingSource

        item = task.item
        outline = read_outline(Path(item.uri))
        topic = outline.topic(item.topic)
        times = all_times(outline, topic) if every_s is not None and item.split else None
        selector = Selector(every_s, times)

        def wanted(seq: int, at_ns: int) -> bool:
            return selector.wants(seq, at_ns) and seq // item.span not in done

        source = RecordingSource.of(outline, topic, Part(task.first, task.stop, wanted), size, fit)
        super().__init__(source)
        self._recording = source

    def next(self) -> Taken:
        frame = self._read()
        return Taken(frame.seq, self._recording.at_ns, frame)
