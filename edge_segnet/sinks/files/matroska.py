"""Videos of JPEGs in Matroska (matroska.org/technical/elements.html), written so that they play at every moment.

A picture is a cluster of its own and one write: a killed process loses none that was counted, a full or broken disk is
heard of at once, and each picture stands at its own moment. The end brings an index and the duration, which players
need to jump; what broke off gets them from ``repair``.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from edge_segnet.sinks.files.raw import RawFile, nobody_writes

APP: Final = b"edge-segnet"
UNKNOWN: Final = b"\x01" + b"\xff" * 7
"""The size of an element that still grows."""
INDEX_MS: Final = 1000
"""Between two entries of the index."""
_SEEK, _DURATION = 40, 11
"""Bytes that are kept free for what only the end knows."""
HEAD: Final = 1024
"""Bytes; what stands before the first picture has a few hundred."""
_SEGMENT = b"\x18\x53\x80\x67"
_CLUSTER, _CUES, _INFO = b"\x1f\x43\xb6\x75", b"\x1c\x53\xbb\x6b", b"\x15\x49\xa9\x66"


def _size(value: int, length: int = 0) -> bytes:
    """A size as EBML writes it (RFC 8794, 4.), in ``length`` bytes or as few as there need be."""
    length = length or next(count for count in range(1, 9) if value < (1 << 7 * count) - 1)
    return (1 << 7 * length | value).to_bytes(length, "big")


def _element(name: str | bytes, data: bytes) -> bytes:
    identity = bytes.fromhex(name) if isinstance(name, str) else name
    return identity + _size(len(data)) + data


def _number(name: str, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _void(total: int) -> bytes:
    return b"\xec" + _size(total - 2) + bytes(total - 2)


def _head(size: tuple[int, int], rate: float) -> bytes:
    """All up to the first cluster."""
    kind = [("4286", 1), ("42f7", 1), ("42f2", 4), ("42f3", 8), ("4287", 4), ("4285", 2)]
    ebml = b"".join(_number(name, value) for name, value in kind) + _element("4282", b"matroska")
    apps = _element("4d80", APP) + _element("5741", APP)
    info = _element(_INFO, _number("2ad7b1", 1_000_000) + apps + _void(_DURATION))
    shape = _element("e0", _number("b0", size[0]) + _number("ba", size[1]))
    facts = [("d7", 1), ("73c5", 1), ("83", 1), ("9c", 0), ("23e383", round(1e9 / rate))]
    track = b"".join(_number(name, value) for name, value in facts) + _element("86", b"V_MJPEG") + shape
    tracks = _element("1654ae6b", _element("ae", track))
    return _element("1a45dfa3", ebml) + _SEGMENT + UNKNOWN + _void(_SEEK) + info + tracks


def _cluster(jpeg: bytes, at_ms: int) -> bytes:
    data = _number("e7", at_ms) + _element("a3", b"\x81\0\0\x80" + jpeg)
    return _CLUSTER + _size(len(data), 8) + data


class MatroskaFile:
    """A video that grows; raises OSError wherever the disk does, and then holds what it held before."""

    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        """``size``: (width, height); ``rate``: pictures per second, for players that ask."""
        self.file = RawFile(path)
        self._index: list[tuple[int, int]] = []
        self._end_ms = self._period_ms = round(1e3 / rate)
        head = _head(size, rate)
        self._start, self._duration = _places(head)
        try:
            self.file.write(head)
        except OSError:
            self.file.close()
            path.unlink(missing_ok=True)
            raise

    def write(self, jpeg: bytes, at_ms: int) -> None:
        """Append a picture; ``at_ms``: since the first one."""
        place = self.file.size
        self.file.write(_cluster(jpeg, at_ms))
        if not self._index or at_ms - self._index[-1][0] >= INDEX_MS:
            self._index.append((at_ms, place))
        self._end_ms = at_ms + self._period_ms
        self.file.settle()

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self.file.size

    def close(self) -> None:
        """Write the index and end it; one without a picture is not kept. Raises OSError."""
        try:
            if not self._index:
                self.file.path.unlink(missing_ok=True)
                return
            cues = self.file.size
            self.file.write(_cues(self._index, self._start))
            for data, place in _ending(self._start, self._duration, cues, self.file.size, self._end_ms):
                self.file.put(data, place)
            self.file.sync()
        finally:
            self.file.close()


def _cues(index: list[tuple[int, int]], start: int) -> bytes:
    points = []
    for at_ms, place in index:
        where = _element("b7", _number("f7", 1) + _number("f1", place - start))
        points.append(_element("bb", _number("b3", at_ms) + where))
    return _element(_CUES, b"".join(points))


def _places(head: bytes) -> tuple[int, int]:
    """Where the segment's content begins, and where its duration goes; raises ValueError: it is no head of ours."""
    start = head.index(_SEGMENT) + len(_SEGMENT) + len(UNKNOWN)
    return start, head.index(_void(_DURATION), start + _SEEK)


def _ending(start: int, duration: int, cues: int, total: int, end_ms: int) -> list[tuple[bytes, int]]:
    """(bytes, place): where the index is, how long the video lasts, and last, which ends it, the segment's size."""
    seek = _element("4dbb", _element("53ab", _CUES) + _element("53ac", (cues - start).to_bytes(8, "big")))
    seek = _element("114d9b74", seek)
    return [
        (seek + _void(_SEEK - len(seek)), start),
        (bytes.fromhex("4489") + b"\x88" + struct.pack(">d", end_ms), duration),
        (_size(total - start, 8), start - len(UNKNOWN)),
    ]


def repair(path: Path) -> int | None:
    """Finish what a killed process left: cut a picture that is not whole, write index and duration.

    Returns:
        How many pictures it has; 0: none, and it was removed; None: it is finished, somebody writes it, or it is
        somebody else's.

    Raises:
        OSError: the disk does not let it.
    """
    with nobody_writes(path) as file:
        if file is None:
            return None
        head = file.read(HEAD)
        try:
            start, duration = _places(head)
        except ValueError:
            if len(head) >= HEAD:
                return None
            path.unlink()
            return 0
        if head[start - len(UNKNOWN) : start] != UNKNOWN:
            return None
        found = list(_clusters(file, head.find(_CLUSTER, duration)))
        if not found:
            path.unlink()
            return 0
        _finish(file, start, duration, found)
        return len(found)


def _finish(file: IO[bytes], start: int, duration: int, found: list[tuple[int, int, int]]) -> None:
    end = found[-1][2]
    file.truncate(end)
    file.seek(end)
    index = [(at_ms, place) for at_ms, place, _ in found]
    file.write(_cues(index, start))
    file.flush()
    for data, place in _ending(start, duration, end, file.tell(), found[-1][0]):
        os.pwrite(file.fileno(), data, place)
    os.fdatasync(file.fileno())


def _clusters(file: IO[bytes], place: int) -> Iterator[tuple[int, int, int]]:
    """(moment in ms, begin, end) of each that is whole, from ``place`` on."""
    total = os.fstat(file.fileno()).st_size
    while place >= 0 and place + 14 <= total:
        file.seek(place)
        head = file.read(32)
        end = place + 12 + (int.from_bytes(head[4:12], "big") & ~(1 << 56))
        if head[:4] != _CLUSTER or head[12] != 0xE7 or end > total:
            return
        yield int.from_bytes(head[14 : 14 + (head[13] & 0x7F)], "big"), place, end
        place = end
