"""Coded pictures as they come out of a depayloader: which of them needs no other, and is its beginning there?

H.264 is ITU-T H.264 (7.3 and 7.4), H.265 is ITU-T H.265 (7.3.1 and 7.4.2). Other codecs tell by GStreamer's flag.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_START: Final = b"\x00\x00\x01"
_SEI_RECOVERY: Final = 6
"""payloadType of a recovery point (ITU-T H.264, D.1.8; H.265 has the same)."""


@dataclass(frozen=True)
class Unit:
    """One coded picture, or a part of one.

    ``key``: it needs no other, and none after it needs one before it. ``recovery``: decoding may begin here, and is
    exact after so many reference pictures (0: at once). ``leading``: refers to pictures before such an entry.
    ``starts``: its first slice is there. ``pictured``: it has pixels; parameter sets alone have none.
    """

    key: bool
    recovery: int | None = None
    leading: bool = False
    reference: bool = True
    starts: bool = True
    pictured: bool = True


def nals(data: bytes, length_size: int) -> Iterator[bytes]:
    """The NAL units of a buffer: by start codes (``length_size`` 0), or each after its length in so many bytes."""
    if length_size:
        at = 0
        while at + length_size < len(data):
            size = int.from_bytes(data[at : at + length_size], "big")
            at += length_size
            yield data[at : at + min(size, 64)]
            at += size
        return
    at = data.find(_START)
    while at >= 0:
        yield data[at + 3 : at + 67]
        at = data.find(_START, at + 3)


def h264(data: bytes, length_size: int) -> Unit:
    """What an H.264 buffer holds."""
    key = reference = starts = pictured = False
    recovery: int | None = None
    for nal in nals(data, length_size):
        kind = nal[0] & 31 if nal else 0
        if kind in (1, 2, 5):
            # first_mb_in_slice is 0: one bit, set.
            starts |= not pictured and len(nal) > 1 and bool(nal[1] & 0x80)
            pictured, key = True, key or kind == 5
            reference |= bool(nal[0] & 0x60)
        elif kind == 6:
            recovery = _recovery(nal[1:], recovery)
    return Unit(key, recovery, reference=reference, starts=starts, pictured=pictured)


def h265(data: bytes, length_size: int) -> Unit:
    """What an H.265 buffer holds."""
    key = leading = starts = pictured = False
    recovery: int | None = None
    for nal in nals(data, length_size):
        kind = nal[0] >> 1 & 63 if nal else 63
        if kind < 32:
            starts |= not pictured and len(nal) > 2 and bool(nal[2] & 0x80)
            pictured = True
            key |= kind in (19, 20)
            leading |= kind in (8, 9)
            # Clean random access and broken links: those that lead refer to what was before.
            recovery = 0 if kind in (16, 17, 18, 21) else recovery
        elif kind == 39:
            recovery = _recovery(nal[2:], recovery)
    return Unit(key, recovery, leading=leading, starts=starts, pictured=pictured)


def mpeg4(data: bytes, _: int = 0) -> Unit:
    """What an MPEG-4 part 2 buffer holds (ISO/IEC 14496-2, 6.2.5): an I-VOP needs no other."""
    at = data.find(b"\x00\x00\x01\xb6")
    if at < 0 or at + 4 >= len(data):
        return Unit(key=False, pictured=False)
    return Unit(key=data[at + 4] >> 6 == 0)


def _recovery(sei: bytes, found: int | None) -> int | None:
    """``recovery_frame_cnt`` of a recovery point message, if there is one among the messages of an SEI."""
    at = 0
    while at + 2 <= len(sei) and sei[at] != 0x80:
        kind = size = 0
        while at < len(sei) and sei[at] == 255:
            kind, at = kind + 255, at + 1
        kind, at = kind + (sei[at] if at < len(sei) else 0), at + 1
        while at < len(sei) and sei[at] == 255:
            size, at = size + 255, at + 1
        size, at = size + (sei[at] if at < len(sei) else 0), at + 1
        if kind == _SEI_RECOVERY and size:
            return _exp_golomb(sei[at : at + size])
        at += size
    return found


def _exp_golomb(data: bytes) -> int:
    """The first ue(v) of some bytes (H.264, 9.1)."""
    bits = "".join(f"{byte:08b}" for byte in data[:8])
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1
