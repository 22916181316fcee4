"""What is in a recording: its topics with pictures, how many, and where in the file. By its index where it has one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, ChunkIndex, Header, Message, MessageIndex, Metadata, Schema

from edge_segnet.core.errors import InputError
from edge_segnet.core.files import open_file
from edge_segnet.sources.image_messages import is_image
from edge_segnet.sources.mcap_records import MAX_RECORD, BadChunk, records, unpack

OURS: Final = "edge-segnet"
DEFAULT_FPS: Final = 30.0
"""Of a topic with a single message, which has no rate."""
FPS: Final = (0.1, 240.0)
ROBOT: Final = "foxglove", "deviceName"
"""Metadata record and key by which Foxglove knows the machine that a file comes from."""
LABELS: Final = ("labels", "mask")
MADE: Final = ("overlay", "snapshot", "mask_colours", *LABELS)
"""Last words of topics in our own files that are no camera's, before ROS's own ``/compressed``."""


@dataclass(frozen=True)
class ImageTopic:
    """A stream of pictures. ``channels``: its ids in the file. ``camera``: what a camera saw, nothing drawn by us."""

    name: str
    schema: str
    encoding: str
    channels: frozenset[int]
    count: int
    camera: bool


@dataclass(frozen=True, eq=False)
class Outline:
    """``chunks``: where messages stand, in the file's order; None without an index, then a reader begins at the
    beginning. ``definitions``: schemas and channels of the index. ``seconds`` from the first message to the last.
    """

    path: Path
    topics: tuple[ImageTopic, ...]
    chunks: tuple[ChunkIndex, ...] | None = None
    definitions: tuple[Schema | Channel, ...] = ()
    seconds: float = 0.0
    robot: str = ""
    """As the file's metadata call it."""

    def rate(self, topic: ImageTopic) -> float:
        """Pictures per second, about."""
        rate = (topic.count - 1) / self.seconds if self.seconds > 0 and topic.count > 1 else DEFAULT_FPS
        return min(max(rate, FPS[0]), FPS[1])

    @property
    def cameras(self) -> tuple[ImageTopic, ...]:
        """Topics that are worth to be segmented."""
        return tuple(topic for topic in self.topics if topic.camera)

    def labels_topic(self, name: str | None) -> ImageTopic:
        """The one of that name; None: the only one with class ids, by the last word of its name, or the only one at
        all. Raises InputError as ``topic``.
        """
        found = [topic for word in LABELS for topic in self.topics if topic.name.rpartition("/")[2] == word]
        if name is None and found and len({topic.name.rpartition("/")[0] for topic in found}) == 1:
            return found[0]
        return self.topics[0] if name is None and len(self.topics) == 1 else self.topic(name)

    def topic(self, name: str | None) -> ImageTopic:
        """The one of that name; None: the only camera's.

        Raises:
            InputError: there is none, or more than one.
        """
        names = ", ".join(topic.name for topic in self.topics) or "none"
        if name is None:
            if len(self.cameras) == 1:
                return self.cameras[0]
            if not self.cameras:
                hint = "pictures are foxglove.CompressedImage, CompressedVideo, RawImage, sensor_msgs/Image"
                raise InputError(f"{self.path}: no topic with a camera's pictures", hint=hint)
            first = self.cameras[0].name
            what = f"{self.path}: {len(self.cameras)} cameras ({names})"
            raise InputError(what, hint=f"name one: '{self.path}?topic={first}'")
        found = next((topic for topic in self.topics if topic.name == name), None)
        if found is None:
            raise InputError(f"{self.path}: no pictures on a topic {name}", hint=f"topics with pictures: {names}")
        return found


def read_outline(path: Path) -> Outline:
    """Look at a recording.

    Raises:
        InputError: it can't be read, is no MCAP file, or is empty.
    """
    try:
        with open_file(path) as file:
            head = file.read(8)
            if not head:
                raise InputError(f"{path}: the file is empty", hint="copy or record it again")
            found = _indexed(file) or _scanned(file, path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint="check the file and its rights") from error
    return found.outline(path)


@dataclass
class _Found:
    ours: bool = False
    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    chunks: tuple[ChunkIndex, ...] | None = None
    times: tuple[int, int] | None = None
    robot: str = ""

    def take(self, record: Any) -> None:
        """A record of any kind."""
        match record:
            case Header():
                self.ours = record.library == OURS
            case Metadata():
                self._name(record)
            case Schema():
                self.schemas[record.id] = record
            case Channel():
                self.channels[record.id] = record
            case Message():
                self.counts[record.channel_id] = self.counts.get(record.channel_id, 0) + 1
                first, last = self.times or (record.log_time, record.log_time)
                self.times = min(first, record.log_time), max(last, record.log_time)

    def _name(self, record: Metadata) -> None:
        if record.name == ROBOT[0]:
            self.robot = record.metadata.get(ROBOT[1], "")

    def outline(self, path: Path) -> Outline:
        """Channels of the same topic are one."""
        ids: dict[tuple[str, str, str], set[int]] = {}
        for number, channel in self.channels.items():
            schema = self.schemas.get(channel.schema_id)
            if schema is not None and is_image(schema.name):
                ids.setdefault((channel.topic, schema.name, channel.message_encoding), set()).add(number)
        topics = [
            ImageTopic(*key, frozenset(found), sum(self.counts.get(n, 0) for n in found), self._is_camera(key[0]))
            for key, found in ids.items()
        ]
        start, end = self.times or (0, 0)
        definitions: list[Schema | Channel] = [*self.schemas.values(), *self.channels.values()]
        return Outline(path, tuple(topics), self.chunks, tuple(definitions), (end - start) / 1e9, self.robot)

    def _is_camera(self, topic: str) -> bool:
        return not (self.ours and topic.removesuffix("/compressed").rpartition("/")[2] in MADE)


def _indexed(file: BinaryIO) -> _Found | None:
    """By the index at the end; None: there is none, or not the whole of it."""
    file.seek(0)
    try:
        reader = SeekingReader(file, record_size_limit=MAX_RECORD)
        summary, head = reader.get_summary(), reader.get_header()
        metadata = list(reader.iter_metadata()) if summary is not None and summary.metadata_indexes else []
    except Exception:  # noqa: BLE001 - the reader raises what damaged bytes make of it; a disk fails again
        return None
    if summary is None or summary.statistics is None or not summary.channels:
        return None
    told = summary.statistics
    chunks = tuple(sorted(summary.chunk_indexes, key=lambda chunk: chunk.chunk_start_offset))
    complete = len(chunks) == told.chunk_count > 0 and all(chunk.message_index_offsets for chunk in chunks)
    times = (told.message_start_time, told.message_end_time)
    counts = dict(told.channel_message_counts)
    index = chunks if complete else None
    found = _Found(head.library == OURS, summary.schemas, summary.channels, counts, index, times)
    for record in metadata:
        found.take(record)
    return found


def _scanned(file: BinaryIO, path: Path) -> _Found:
    """By reading it to where it breaks off."""
    found, seen = _Found(), 0
    file.seek(0)
    try:
        for record in records(file):
            seen += 1
            for inner in _inside(record):
                found.take(inner)
    except OSError:
        raise
    except Exception as error:
        if not seen:
            raise InputError(f"{path}: not an MCAP file that can be read", hint="copy or record it again") from error
    return found


def _inside(record: Any) -> list[Any]:
    if not isinstance(record, Chunk):
        return [record]
    try:
        return unpack(record)
    except BadChunk:
        return []


def all_times(outline: Outline, topic: ImageTopic) -> list[int]:
    """Nanoseconds of every message of a topic, in the file's order; raises InputError. ``outline`` has an index."""
    try:
        with open_file(outline.path) as file:
            return [at for chunk in outline.chunks or () for at in times_in(file, chunk, topic)]
    except OSError as error:
        raise InputError(f"{outline.path}: {error.strerror or error}", hint="check the file and its rights") from error


def times_in(file: BinaryIO, chunk: ChunkIndex, topic: ImageTopic) -> list[int]:
    """Nanoseconds of a topic's messages in a chunk, in their order there, by the message index; raises OSError.

    Raises:
        InputError: the index is damaged.
    """
    found: list[tuple[int, int]] = []
    for channel in topic.channels:
        offset = chunk.message_index_offsets.get(channel)
        if offset is None:
            continue
        file.seek(offset)
        stream = ReadDataStream(file)
        try:
            code, length = stream.read1(), stream.read8()
            if code != Opcode.MESSAGE_INDEX or length > MAX_RECORD:
                raise ValueError("no message index")
            found += [(at, time) for time, at in MessageIndex.read(stream).records]
        except OSError:
            raise
        except Exception as error:
            raise InputError(f"the index of the recording is damaged ({error})") from error
    return [time for _, time in sorted(found)]
