"""Video files as bytes: do they end where they say? Knows no decoder: some end early without a word."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO, Final

from edge_segnet.core.files import open_file

_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = b"\x18\x53\x80\x67"
_MP4_TYPES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"sidx", b"styp"})


def video_fault(path: Path) -> str | None:
    """What is wrong with the outside of an MP4, MOV, Matroska, WebM or AVI file; None: nothing, or another kind."""
    try:
        size = path.stat().st_size
        with open_file(path) as file:
            head = file.read(16)
            if head[4:8] in _MP4_TYPES:
                return _mp4(file, size)
            if head.startswith(_EBML):
                return _matroska(file, size)
            if head[:4] == b"RIFF" and head[8:11] == b"AVI":
                return _ends(8 + int.from_bytes(head[4:8], "little"), size)
    except (OSError, struct.error):
        return None
    return None


def _ends(wanted: int, size: int) -> str | None:
    return f"{wanted - size:,} bytes are missing at its end" if wanted > size else None


def _mp4(file: BinaryIO, size: int) -> str | None:
    """Boxes follow each other to the end: length, type, where a length of 1 means that 8 bytes of length follow."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length, _ = struct.unpack(">I4s", file.read(8))
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
        if length == 0:
            return None  # to the end of the file, wherever that is
        if length < 8:
            return "its boxes contradict each other"
        at += length
    return _ends(at, size)


def _matroska(file: BinaryIO, size: int) -> str | None:
    """The header element, then the segment; a live recording leaves the segment's length open."""
    file.seek(4)
    header = _length(file)
    if header is None:
        return None
    file.seek(header, os.SEEK_CUR)
    if file.read(4) != _SEGMENT:
        return None
    segment = _length(file)
    return None if segment is None else _ends(file.tell() + segment, size)


def _length(file: BinaryIO) -> int | None:
    """An EBML length (RFC 8794): the first byte's leading zeros say how many bytes follow; None: unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (1 << 8 - width) - 1]) + file.read(width - 1), "big")
    return None if value == (1 << 7 * width) - 1 else value
