"""Messages of one topic of a recording, in the file's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from mcap.records import Channel, Chunk, DataEnd, Message, Schema

from edge_segnet.core.errors import InputError
from edge_segnet.core.files import open_file
from edge_segnet.sources.image_messages import Decode, decoder
from edge_segnet.sources.mcap_outline import ImageTopic, Outline, times_in
from edge_segnet.sources.mcap_records import BadChunk, records, unpack

Wanted = Callable[[int, int], bool]


@dataclass(frozen=True)
class Part:
    """Of a topic: pictures ``first`` to before ``stop``, those that ``wanted`` (number, nanoseconds) says."""

    first: int = 0
    stop: int | None = None
    wanted: Wanted = lambda _seq, _at_ns: True

    def has(self, seq: int) -> bool:
        """Whether a number is between its ends."""
        return seq >= self.first and (self.stop is None or seq < self.stop)


WHOLE: Final = Part()


class MessageReader:
    """Gives the messages of a part of a topic. ``fault``: what was wrong with the file, after its end."""

    def __init__(self, outline: Outline, topic: ImageTopic, part: Part) -> None:
        """Raises InputError: nobody here can read the topic's messages, or the file is gone."""
        self._outline, self._topic, self._part = outline, topic, part
        self._schemas: dict[int, Schema] = {}
        self._decoders: dict[int, Decode] = {}
        self._counts: dict[int, int] = {}
        """Where a chunk ends -> how many of the topic's messages it has."""
        self._lost = 0
        self.fault = ""
        for definition in outline.definitions:
            self._learn(definition)
        try:
            self._file: BinaryIO = open_file(outline.path)
        except OSError as error:
            raise self._unreadable(error) from error

    def _learn(self, record: Schema | Channel) -> None:
        if isinstance(record, Schema):
            self._schemas[record.id] = record
        elif record.topic == self._topic.name and record.schema_id in self._schemas:
            schema, encoding = self._schemas[record.schema_id].name, record.message_encoding
            decode = decoder(schema, encoding)
            if decode is None:
                what = f"{self._outline.path}: topic {record.topic} has {schema} in {encoding!r}"
                raise InputError(what, hint="protobuf, json and cdr (ROS 2) can be read")
            self._decoders[record.id] = decode

    def messages(self) -> Iterator[tuple[int, int, Decode, bytes]]:
        """(number, nanoseconds, how to take it apart, the message); raises InputError: the disk fails."""
        seq, within = self._seek()
        try:
            for record in records(self._file, within=within):
                if isinstance(record, DataEnd) or (self._part.stop is not None and seq >= self._part.stop):
                    break
                for found in self._inside(record):
                    if isinstance(found, int):
                        seq += found
                    elif isinstance(found, Message) and found.channel_id in self._decoders:
                        if self._part.has(seq):
                            yield seq, found.log_time, self._decoders[found.channel_id], found.data
                        seq += 1
        except OSError as error:
            raise self._unreadable(error) from error
        except Exception as error:  # noqa: BLE001 - the reader raises what damaged bytes make of it
            self.fault = f"breaks off after {seq} pictures ({type(error).__name__})"
        if self._lost and not self.fault:
            self.fault = f"{self._lost} damaged chunk{'s' * (self._lost != 1)}"

    def _inside(self, record: Any) -> list[Any]:
        """The records of a chunk, or how many pictures a damaged one had, as far as the index knows."""
        if not isinstance(record, Chunk):
            return [record]
        try:
            return unpack(record)
        except BadChunk:
            self._lost += 1
            return [self._counts.get(self._file.tell(), 0)]

    def _seek(self) -> tuple[int, bool]:
        """Go to the first chunk of the part: the number of its first message, and whether that is inside the file."""
        seq = start = total = 0
        try:
            for chunk in self._outline.chunks or ():
                count = len(times_in(self._file, chunk, self._topic))
                total, end = total + count, chunk.chunk_start_offset + chunk.chunk_length
                self._counts[end] = count
                if 0 < total <= self._part.first:
                    seq, start = total, end
        except OSError as error:
            raise self._unreadable(error) from error
        except InputError:
            if self._part.first:
                raise
        self._file.seek(start)
        return seq, start > 0

    def _unreadable(self, error: OSError) -> InputError:
        return InputError(f"{self._outline.path}: {error.strerror or error}", hint="check the file and its rights")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
