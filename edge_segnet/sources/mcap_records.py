"""An MCAP file's records, without believing what the file says of its sizes. Needs ``mcap``, for both who read and who
repair recordings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import lz4.frame
import zstandard
from mcap.records import Chunk, McapRecord
from mcap.stream_reader import StreamReader, breakup_chunk

MAX_RECORD: Final = 256 << 20
"""Bytes: a chunk of ours has ``mcap_file.CHUNK`` and one message more, the largest of which is a camera's picture."""


class BadChunk(ValueError):
    """A chunk that can't be unpacked; the next record may be good."""


def records(file: BinaryIO, *, within: bool = False) -> Iterator[McapRecord]:
    """Records from where ``file`` stands, chunks as they are, and none larger than ``MAX_RECORD``.

    ``within``: it stands at a record inside of the file, not at the magic bytes of its beginning.

    Raises:
        Exception: of any kind, where the file breaks off or is none: the reader raises what damaged bytes make of it.
    """
    reader = StreamReader(file, within, emit_chunks=True, validate_crcs=not within, record_size_limit=MAX_RECORD)
    yield from reader.records


def unpack(chunk: Chunk) -> list[Any]:
    """The records in a chunk, whose checksum is right; raises BadChunk."""
    if chunk.uncompressed_size > MAX_RECORD:
        raise BadChunk(f"a chunk of {chunk.uncompressed_size} bytes")
    if chunk.compression not in ("", "zstd", "lz4"):
        raise BadChunk(f"a chunk with compression {chunk.compression!r}")
    try:
        if chunk.compression == "zstd" and zstandard.frame_content_size(chunk.data) > chunk.uncompressed_size:
            raise BadChunk("a chunk that holds more than it says")
        if chunk.compression == "lz4":
            chunk = _without_lz4(chunk)
        return list(breakup_chunk(chunk, validate_crc=True))
    except BadChunk:
        raise
    except Exception as error:  # as ``records``
        raise BadChunk(f"a chunk is damaged ({error})") from error


def _without_lz4(chunk: Chunk) -> Chunk:
    """LZ4 may blow up 255-fold, and its frames need not say to what."""
    data = lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, max_length=chunk.uncompressed_size + 1)
    if len(data) != chunk.uncompressed_size:
        raise BadChunk("a chunk that is not of the size that it says")
    return Chunk(
        compression="",
        data=data,
        message_end_time=chunk.message_end_time,
        message_start_time=chunk.message_start_time,
        uncompressed_crc=chunk.uncompressed_crc,
        uncompressed_size=chunk.uncompressed_size,
    )
