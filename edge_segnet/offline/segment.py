"""``edge-segnet segment``: files in, pictures, label images, videos and statistics out.

Three stages overlap: a thread reads ahead, the caller's thread runs the network, a thread draws and writes. Queues
between them are short, so memory does not grow with the length of a video.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge_segnet.core import threads
from edge_segnet.core.errors import BadFrame, EndOfStream, InputError, OutputError, UsageError
from edge_segnet.core.files import output_error
from edge_segnet.core.soundness import SAME_FILES, Soundness, require_valid
from edge_segnet.core.types import Counts, Frame, Generation, Result
from edge_segnet.offline.outputs import Writer, image_files, numbered_files, picture_targets
from edge_segnet.pictures.overlay import RAW, RenderStyle, render
from edge_segnet.sources import FiniteSource, Input

AHEAD = 4
"""Frames that may wait before and after the network."""
logger = logging.getLogger(__name__)
OnResult = Callable[[Result], None]


@dataclass
class Summary:
    """What a run did; ``counts`` int64 [C+1] and ``uncertain`` int64 [C] over all frames, at network size."""

    counts: Counts
    uncertain: Counts | None = None
    frames: int = 0
    bad: list[str] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0

    def count(self, counts: Counts, uncertain: Counts | None) -> None:
        """Count pixels, and which of them were uncertain, where that is known."""
        self.counts += counts
        if uncertain is not None:
            self.uncertain = uncertain if self.uncertain is None else self.uncertain + uncertain

    def add(self, other: Summary) -> None:
        """Take another run's numbers in."""
        self.count(other.counts, other.uncertain)
        self.frames += other.frames
        self.bad.extend(other.bad)
        self.seconds += other.seconds
        self.interrupted |= other.interrupted


class NothingDecoded(InputError):
    """No frame of an input was good; ``bad`` says why, frame by frame."""

    def __init__(self, bad: list[str]) -> None:
        super().__init__(bad[0] if bad else "no frames")
        self.bad = bad


def segment(
    source: FiniteSource,
    generation: Generation,
    writer: AbstractContextManager[Writer | None],
    style: RenderStyle,
    on_result: OnResult,
    limit: int | None = None,
) -> Summary:
    """Segment every frame of ``source``, at most ``limit``; bad frames are reported and skipped. Without a writer
    nothing is drawn.

    Ctrl-C ends the run early, with everything up to there written. ``on_result`` is called in order, on the writer's
    thread.

    Raises:
        NothingDecoded: not one frame was good.
        OutputError: a result can't be written.
        ModelError: what the network computes is no numbers.
    """
    summary = Summary(np.zeros(len(generation.view.classes) + 1, np.int64))
    started = time.perf_counter()
    sound = Soundness(SAME_FILES)

    def finish(result: Result, to: Writer | None) -> None:
        if to is not None:
            to.write(result.frame.seq, render(result, style), result.frame.media_s)
        # Counted here, where Ctrl-C can't come between a frame and its number: what is counted is written.
        summary.count(result.segmentation.counts, result.segmentation.uncertain)
        summary.frames += 1
        on_result(result)

    with writer as sink:
        with ThreadPoolExecutor(1, "writer") as pool:
            _overlapped(
                _Frames(source, limit, summary),
                lambda frame: pool.submit(finish, _infer(generation, frame, sound), sink),
                summary,
            )
        if summary.frames == 0:
            # Raised inside the writer's block, so that no empty file is left behind.
            raise KeyboardInterrupt if summary.interrupted else NothingDecoded(summary.bad)
    summary.seconds = time.perf_counter() - started
    return summary


def _overlapped(frames: _Frames, begin: Callable[[Frame], Future[None]], summary: Summary) -> None:
    """Begin the writing of each frame while the next one is inferred; at most ``AHEAD`` wait. Closes ``frames``."""
    waiting: deque[Future[None]] = deque()
    try:
        for frame in frames:
            waiting.append(begin(frame))
            if len(waiting) > AHEAD:
                waiting.popleft().result()
    except KeyboardInterrupt:
        summary.interrupted = True
        logger.info("interrupted: finishing what was begun")
    finally:
        frames.close()
    while waiting:
        waiting.popleft().result()


def _infer(generation: Generation, frame: Frame, sound: Soundness) -> Result:
    segmentation = require_valid(generation.backend.infer([frame])[0], generation.model)
    sound.look_for_one_class(frame, segmentation)
    age_ms = (time.monotonic_ns() - frame.captured_ns) / 1e6
    return Result(frame, segmentation, generation.view, generation.backend.name, generation.model, age_ms)


class _Frames(Iterator[Frame]):
    """Reads a source on a thread of its own, at most ``AHEAD`` frames in front of whoever iterates."""

    def __init__(self, source: FiniteSource, limit: int | None, summary: Summary) -> None:
        self._source, self._limit, self._summary = source, limit, summary
        self._queue: queue.Queue[Frame | Exception | None] = queue.Queue(AHEAD)
        self._stop = threading.Event()
        self._thread = threads.start(self._read_all, "reader", again=False)

    def _read_all(self) -> None:
        try:
            taken = 0
            while not self._stop.is_set() and (self._limit is None or taken < self._limit):
                frame = self._read_good()
                if frame is not None:
                    self._put(frame)
                    taken += 1
            self._put(None)
        except EndOfStream:
            self._put(None)
        except Exception as error:  # noqa: BLE001 - handed over and raised by the iterating thread
            self._put(error)

    def _read_good(self) -> Frame | None:
        try:
            return self._source.read(timeout_s=1.0)
        except BadFrame as error:
            if self._source.length != 1:
                logger.warning("skipped %s", error)
            self._summary.bad.append(str(error))
            return None

    def _put(self, item: Frame | Exception | None) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.2)
            except queue.Full:
                continue
            return

    def __next__(self) -> Frame:
        item = self._queue.get()
        if isinstance(item, InputError):
            # What was decoded before the source broke is still good, and is kept.
            if self._summary.frames:
                logger.warning("%s", item)
            self._summary.bad.append(str(item))
            raise StopIteration
        if isinstance(item, Exception):
            raise item
        if item is None:
            raise StopIteration
        return item

    def close(self) -> None:
        """Stop reading and wait for the thread."""
        self._stop.set()
        self._thread.join()
        self._source.close()


@dataclass(frozen=True)
class Job:
    """One input and where its results go."""

    source: Input
    targets: tuple[Path, ...]
    """Files, or a folder for a video's label images; none if only the numbers are wanted."""
    writer: Callable[[float], AbstractContextManager[Writer | None]]
    """Opens the target, given the frame rate."""
    shown: Path | None
    """What to call the target in a message."""


def together(inputs: Sequence[Input]) -> list[Input]:
    """Single pictures joined into one input, so that ``*.jpg`` is one run and not hundreds."""
    pictures = [file for source in inputs if source.kind == "image" for file in source.files]
    if len(pictures) < 2:
        return list(inputs)
    first = next(index for index, source in enumerate(inputs) if source.kind == "image")
    others = [source for source in inputs if source.kind != "image"]
    return [*others[:first], Input(f"{len(pictures)} pictures", "images", files=tuple(pictures)), *others[first:]]


def plan(inputs: Sequence[Input], out: Path | None, style: RenderStyle) -> list[Job]:
    """Pictures become pictures, folders folders, videos and cameras videos; a video's labels a folder of PNGs.

    ``out`` names the result itself if there is one input and it fits, else the folder for the results (in which each
    of several folders gets one of its own); None: nothing is written.

    Raises:
        UsageError: a folder is needed, but ``out`` is a file.
        OutputError: two inputs would write the same file, or a result would replace an input.
    """
    if out is None:
        return [Job(source, (), lambda _fps: nullcontext(), None) for source in inputs]
    jobs = [_job(source, out, style, single=len(inputs) == 1) for source in inputs]
    read = {file.resolve() for source in inputs for file in source.files}
    taken: set[Path] = set()
    for job in jobs:
        for target in job.targets:
            if target in taken:
                raise OutputError(f"two inputs would both become {target}", hint="segment them separately")
            if target.resolve() in read:
                raise OutputError(f"{target}: would replace an input", hint="choose another -o")
            taken.add(target)
    return jobs


def _job(source: Input, out: Path, style: RenderStyle, single: bool) -> Job:
    try:
        names_file = bool(out.suffix) and not out.is_dir()
        is_folder = source.kind == "images" and Path(source.uri).is_dir()
    except OSError as error:
        raise output_error(out, error) from error
    needs = "" if single else "several inputs need"
    if source.kind == "images":
        needs = needs or ("a folder of pictures becomes" if is_folder else "several pictures need")
    if source.kind not in ("image", "images") and style.visual in RAW:
        needs = needs or "a video's label images, loss-free, become"
    if names_file and needs:
        raise UsageError(f"-o {out}: {needs} a folder", hint=f"use -o {out.with_suffix('')}")
    if source.kind in ("image", "images"):
        place = out / Path(source.uri).resolve().name if is_folder and not single else out
        paths = picture_targets(source.files, place, style.visual, names_file)
        shown = paths[0] if len(paths) == 1 else place
        return Job(source, tuple(paths), lambda _fps: image_files(paths), shown)
    stem = source.files[0].stem if source.files else source.kind
    if style.visual in RAW:
        folder = out if single else out / stem
        return Job(source, (folder,), lambda _fps: numbered_files(folder), folder)
    video = out if names_file else out / f"{stem}.mp4"
    return Job(source, (video,), lambda fps: _video_file(video, fps), video)


def _video_file(path: Path, fps: float) -> AbstractContextManager[Writer]:
    from edge_segnet.pictures.video import video_file  # PyAV is slow to import, and pictures need none

    return video_file(path, fps)
