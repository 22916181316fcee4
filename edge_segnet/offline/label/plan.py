"""What there is to label: items (one camera of one recording, a video, a folder of pictures), cut into tasks."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from edge_segnet.core.errors import InputError, UsageError
from edge_segnet.core.files import open_file, plain_name
from edge_segnet.core.uris import parse
from edge_segnet.pictures.listing import in_order, is_picture
from edge_segnet.pictures.video import VIDEO_SUFFIXES
from edge_segnet.sources import is_recording, is_there, require_mcap, split_topic

MANIFEST: Final = "manifest.json"
FRAMES: Final = "frames"
"""What the output is known by."""
PART: Final = 500
"""Labelled frames of one Parquet file, about, and what a killed worker loses."""
HEAD: Final = 1 << 20
"""Bytes of a file that its key is made of, beside its size."""
VIDEOS: Final = VIDEO_SUFFIXES | {".webm", ".m4v"}
"""Those that we write, and others that come in folders."""
Format = Literal["png", "mcap", "parquet", "cvat"]
Kind = Literal["recording", "video", "images"]


@dataclass(frozen=True)
class Item:
    """``name``: of its folders in the output. ``key``: of its contents. ``frames``: how many will be labelled, about.
    ``span``: frames of the input in a part. ``split``: whether parts can be read one by one.
    """

    kind: Kind
    uri: str
    name: str
    key: str
    robot: str = ""
    topic: str = ""
    files: tuple[str, ...] = ()
    total: int = 0
    frames: int = 0
    fps: float = 30.0
    span: int = PART
    split: bool = False

    def tasks(self) -> Iterator[Task]:
        """Its stretches, in order."""
        if not self.split:
            yield Task(self, 0, None, self.frames)
            return
        for first in range(0, self.total, self.span):
            count = min(self.span, self.total - first)
            files = self.files[first : first + count]
            share = round(self.frames * count / self.total)
            yield Task(replace(self, files=files), first, first + count, share)


@dataclass(frozen=True)
class Task:
    """Frames ``first`` to before ``stop`` of an item (None: to its end); ``item.files`` are those of the stretch."""

    item: Item
    first: int
    stop: int | None
    frames: int


@dataclass(frozen=True)
class Plan:
    """``failed``: inputs that can't be read at all, each with the reason."""

    items: tuple[Item, ...]
    failed: tuple[str, ...]

    @property
    def frames(self) -> int:
        """To be labelled, about."""
        return sum(item.frames for item in self.items)


def make_plan(uris: Sequence[str], every_s: float | None, part: int = PART) -> Plan:
    """Find what the inputs mean; several inputs may name the same file, which is labelled once. ``part``: labelled
    frames of a part.

    Raises:
        InputError: nothing is there that could be labelled.
        UsageError: a camera, or an extra that is not installed.
    """
    items: dict[tuple[str, str], Item] = {}
    failed: list[str] = []
    for uri in uris:
        try:
            for file, topic, robot in _files(uri):
                try:  # of a folder one may be damaged
                    for item in _items(file, topic, robot):
                        items.setdefault((item.key, item.topic), _thinned(item, every_s, part))
                except InputError as error:
                    failed.append(str(error))
        except InputError as error:
            failed.append(str(error))
    if not items:
        raise InputError(failed[0] if failed else "nothing to label")
    return Plan(tuple(_with_names(items.values())), tuple(failed))


def _files(uri: str) -> Iterator[tuple[Path | tuple[Path, ...], str | None, str]]:
    """Every recording and video, and the pictures of every folder together, the topic that was named, and the robot;
    raises InputError, UsageError.
    """
    if not is_there(Path(uri)) and parse(uri).kind != "path":
        raise UsageError(f"{uri}: label takes files and folders", hint="record first, or use: edge-segnet segment")
    name, topic = split_topic(uri)
    path = Path(name).absolute()
    root, found = _found(path)
    pictures: dict[Path, list[Path]] = {}
    others = 0
    for file in in_order(each for each in found if each.is_file()):
        named = file.suffix.lower() in (*VIDEOS, ".mcap")  # what it is not, it is told by who opens it
        if named or is_recording(file) or (len(found) == 1 and not is_picture(file)):
            others += 1
            yield file, topic, _robot(root, file)
        elif is_picture(file):
            pictures.setdefault(file.parent, []).append(file)
    yield from ((tuple(files), None, _robot(root, files[0])) for files in pictures.values())
    if not others and not pictures:
        raise InputError(f"{uri}: no recording, video or picture there")


def _found(path: Path) -> tuple[Path, list[Path]]:
    """The folder that all stands below, and the files, but for what is hidden or was written by ``label`` itself."""
    if path.is_dir():
        own = {each.parent for each in path.rglob(MANIFEST) if (each.parent / FRAMES).is_dir()}
        seen = (each for each in path.rglob("*") if own.isdisjoint(each.parents))
        return path, [each for each in seen if not any(p.startswith(".") for p in each.relative_to(path).parts)]
    if path.exists():
        return path.parent, [path]
    fixed = next(each for each in path.parents if not glob.has_magic(str(each)))
    return fixed, [Path(each) for each in glob.glob(str(path), recursive=True)]  # noqa: PTH207 - takes absolute patterns


def _robot(root: Path, file: Path) -> str:
    """Where recordings don't name it: the first folder below what was named, else that folder itself."""
    below = file.relative_to(root).parts[:-1]
    return below[0] if below else root.resolve().name


def _items(file: Path | tuple[Path, ...], topic: str | None, robot: str) -> list[Item]:
    if isinstance(file, tuple):
        return [_pictures(file, robot)]
    if is_recording(file):
        return _recording(file, topic, robot)
    from edge_segnet.sources.video_file import VideoFile

    source = VideoFile(file, (16, 16))
    total, fps = source.length or 0, source.fps
    source.close()
    return [Item("video", str(file), file.stem, key_of(file), robot, total=total, frames=total, fps=fps)]


def _pictures(files: tuple[Path, ...], robot: str) -> Item:
    told = hashlib.sha256()
    for file in files:
        told.update(f"{file.name} {file.stat().st_size}\n".encode("utf-8", "surrogateescape"))
    folder, names, count = files[0].parent, tuple(map(str, files)), len(files)
    name = folder.resolve().name or "pictures"
    return Item("images", str(folder), name, told.hexdigest(), robot, "", names, count, count, fps=1.0, split=True)


def _recording(file: Path, topic: str | None, robot: str) -> list[Item]:
    require_mcap()
    from edge_segnet.sources.mcap_outline import read_outline
    from edge_segnet.sources.recordings import holds_video

    outline = read_outline(file)
    chosen = outline.cameras if topic is None and outline.cameras else (outline.topic(topic),)
    key, robot = key_of(file), outline.robot or robot
    return [
        Item(
            *("recording", str(file), file.stem, key, robot, each.name),
            total=each.count,
            frames=each.count,
            fps=outline.rate(each),
            split=outline.chunks is not None and not holds_video(outline, each),
        )
        for each in chosen
    ]


def key_of(file: Path) -> str:
    """SHA-256 of a file's first MiB and its size; raises InputError."""
    try:
        with open_file(file) as opened:
            told = hashlib.sha256(opened.read(HEAD))
        told.update(str(file.stat().st_size).encode())
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}", hint="check the file and its rights") from error
    return told.hexdigest()


def _thinned(item: Item, every_s: float | None, part: int) -> Item:
    """With a frame every so many seconds, as many frames make a part as before."""
    if every_s is None or item.kind == "images":
        return replace(item, span=part)
    step = max(1.0, every_s * item.fps)
    return replace(item, frames=max(1, round(item.frames / step)), span=part * round(step))


def _with_names(items: Iterable[Item]) -> Iterator[Item]:
    """Names that a file system takes, each with a part of its key: the same name may come from many robots."""
    for item in items:
        topic = plain_name(item.topic).strip("-")
        stem = plain_name(item.name)[:80].strip("-.") or "input"
        yield replace(item, name="-".join(filter(None, (stem, item.key[:8], topic))))
