"""One MCAP file: written in chunks that are whole once they are in it, and repaired when its writer was killed."""

from __future__ import annotations

import fcntl
import logging
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mcap.records import Channel, Chunk, Header, Metadata, Schema
from mcap.records import Message as Record
from mcap.writer import MCAP0_MAGIC, Writer

from edge_segnet.core.files import written_beside
from edge_segnet.sinks.files.raw import RawFile
from edge_segnet.sinks.messages import Message, Topic
from edge_segnet.sources.mcap_outline import OURS, ROBOT
from edge_segnet.sources.mcap_records import records, unpack

logger = logging.getLogger(__name__)
CHUNK: Final = 1 << 20
"""Bytes, uncompressed; a chunk also ends with every ``flush``."""


class McapFile:
    """A file that grows. An OSError leaves it to ``abandon``; nothing else may be called after that."""

    def __init__(self, path: Path, metadata: Mapping[str, str], profile: str = "") -> None:
        """``profile``: MCAP's word for what all its messages follow. Raises OSError; FileExistsError where there is one
        already.
        """
        self.path = path
        self._raw = RawFile(path)
        self._channels: dict[Topic, int] = {}
        self._schemas: dict[tuple[str, bytes], int] = {}
        try:
            self._writer = Writer(self._raw, chunk_size=CHUNK)  # type: ignore[arg-type]  # has what it uses
            self._writer.start(profile=profile, library=OURS)
            self._writer.add_metadata("edge-segnet", dict(metadata))
            self._writer.add_metadata(ROBOT[0], {ROBOT[1]: platform.node()})
        except OSError:
            self._raw.close()
            path.unlink(missing_ok=True)
            raise
        self._whole = self._head = self._raw.size
        self.loose = 0
        """Bytes of messages that are not in a whole chunk yet."""
        self.messages = 0

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._raw.size

    def write(self, message: Message) -> None:
        """Add a message to the chunk in progress; raises OSError."""
        channel = self._channels.get(message.topic)
        if channel is None:
            channel = self._channels[message.topic] = self._register(message.topic)
        self._writer.add_message(channel, message.at_ns, message.data, message.at_ns)
        self.loose += len(message.data)
        self.messages += 1

    def _register(self, topic: Topic) -> int:
        key = (topic.schema_name, topic.schema)
        if key not in self._schemas:
            self._schemas[key] = self._writer.register_schema(topic.schema_name, topic.schema_encoding, topic.schema)
        told = dict(topic.metadata)
        return self._writer.register_channel(topic.name, topic.encoding, self._schemas[key], told)

    def flush(self) -> None:
        """End the chunk in progress: from here on a killed process loses none of it. Raises OSError."""
        self._writer.flush()
        self._whole = self._raw.size
        self.loose = 0

    def settle(self) -> None:
        """Have it on the disk itself if that is due, for when the power goes; may take long. Raises OSError."""
        self._raw.settle()

    @property
    def gone(self) -> bool:
        """Whether somebody removed it."""
        return self._raw.gone

    def finish(self) -> None:
        """Write index and end; raises OSError."""
        self._writer.finish()
        self._raw.sync()
        self._raw.close()

    def abandon(self) -> None:
        """Leave the whole chunks alone, after an error; ``repair`` gives them their index later. A file without any
        goes.
        """
        try:
            if self._whole == self._head:
                self.path.unlink(missing_ok=True)
            self._raw.cut(self._whole)
        finally:
            self._raw.close()


def is_whole(path: Path) -> bool:
    """Whether the file has its end, or somebody still writes it; raises OSError."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(MCAP0_MAGIC)))
        return size > 2 * len(MCAP0_MAGIC) and file.read() == MCAP0_MAGIC


def repair(path: Path) -> int:
    """Give a file that breaks off its index and end, keeping every message of its whole chunks.

    Returns:
        How many messages it has; 0: there are none, and the file is left as it is.

    Raises:
        OutputError: the repaired file can't be written; the old one is untouched.
    """
    try:
        with written_beside(path) as beside:
            with path.open("rb") as file, beside.open("wb") as out:
                count = _copy(file, Writer(out, chunk_size=CHUNK))
            if count == 0:
                raise _NothingWhole
    except _NothingWhole:
        return 0
    return count


class _NothingWhole(Exception):
    pass


def _copy(file: Any, writer: Any) -> int:
    """Every record up to the first that is not whole."""
    schemas: dict[int, int] = {0: 0}
    channels: dict[int, int] = {}
    count = 0
    try:
        for outer in records(file):
            for record in unpack(outer) if isinstance(outer, Chunk) else (outer,):
                match record:
                    case Header():
                        writer.start(profile=record.profile, library=OURS)
                    case Schema():
                        schemas[record.id] = writer.register_schema(record.name, record.encoding, record.data)
                    case Channel():
                        schema = schemas[record.schema_id]
                        told = record.topic, record.message_encoding, schema, record.metadata
                        channels[record.id] = writer.register_channel(*told)
                    case Record():
                        channel = channels[record.channel_id]
                        writer.add_message(channel, record.log_time, record.data, record.publish_time, record.sequence)
                        count += 1
                    case Metadata():
                        writer.add_metadata(record.name, record.metadata)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - the reader raises whatever damaged bytes make of it
        logger.debug("the recording breaks off: %s", error)
    if count:
        writer.finish()
    return count
