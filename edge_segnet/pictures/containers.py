"""Picture files as bytes: is the file whole, and what do a palette PNG's pixels hold? Knows no picture library.

Decoders disagree about files that break off: libjpeg fills the rest with grey and only warns, OpenCV before 4.10 gave
half a PNG. A picture that was not seen whole must not be counted as seen, so the file's own structure decides.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from edge_segnet.pictures.jpeg import examine

PNG: Final = b"\x89PNG\r\n\x1a\n"
_PALETTE: Final = 3
"""Colour type of IHDR (PNG specification, 11.2.2): each pixel a palette index."""


def fault(data: bytes) -> str | None:
    """What is wrong with the outside of a PNG, JPEG, WebP or BMP file; None if it is whole or of another kind."""
    if not data:
        return "the file is empty"
    if data.startswith(PNG):
        return _png_fault(data)
    if data.startswith(b"\xff\xd8"):
        return examine(data).fault
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return None if len(data) >= 8 + int.from_bytes(data[4:8], "little") else "the WebP is cut off"
    if data[:2] == b"BM" and len(data) >= 6:
        return None if len(data) >= int.from_bytes(data[2:6], "little") else "the BMP is cut off"
    return None


def size_of(data: bytes) -> tuple[int, int] | None:
    """(width, height) that a PNG, JPEG, WebP, BMP or TIFF file says it has; None: it does not say, or is another kind.

    Nothing is decoded: a few hundred bytes can claim a gigapixel.
    """
    if data.startswith(PNG) and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data.startswith(b"\xff\xd8"):
        return examine(data).size
    if data[:2] == b"BM" and len(data) >= 26:
        return abs(int.from_bytes(data[18:22], "little", signed=True)), abs(
            int.from_bytes(data[22:26], "little", signed=True)
        )
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        return _webp_size(data)
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _tiff_size(data, "<" if data[:2] == b"II" else ">")
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    match data[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        case b"VP8L":
            packed = int.from_bytes(data[21:25], "little")
            return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        case b"VP8 ":
            return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None


def _tiff_size(data: bytes, order: str) -> tuple[int, int] | None:
    """Of the first directory (TIFF 6.0, section 2): tags 256 and 257, 16 or 32 bits."""
    if len(data) < 8:
        return None
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    found = {}
    for entry in range(at + 2, min(at + 2 + 12 * 64, len(data) - 11), 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        if tag in (256, 257):
            found[tag] = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, entry + 8)[0]
    return (found[256], found[257]) if len(found) == 2 else None


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]] | None:
    """(type, content) of every chunk; None if the file ends before IEND does."""
    chunks, at = [], len(PNG)
    while at + 12 <= len(data):
        (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        if at + 12 + length > len(data):
            return None
        chunks.append((kind, data[at + 8 : at + 8 + length]))
        if kind == b"IEND":
            return chunks
        at += 12 + length
    return None


def _png_fault(data: bytes) -> str | None:
    at = len(PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        kind = data[at + 4 : at + 8]
        # Critical chunks have a capital first letter; a damaged comment doesn't matter.
        if kind[:1].isupper() and zlib.crc32(data[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            return f"the PNG is damaged (checksum of {kind.decode('latin-1')!r})"
        if kind == b"IEND":
            return None
        at = end
    return "the PNG is cut off"


def palette_as_grey(data: bytes) -> tuple[bytes, int]:
    """A palette PNG with its palette taken away, so that decoders give the pixels' own numbers.

    Returns:
        The PNG as grey, and what its decoded values must be divided by (decoders stretch 1, 2 and 4 bits to 0..255);
        any other file as it is, and 1.
    """
    chunks = _png_chunks(data) if data.startswith(PNG) else None
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13 or chunks[0][1][9] != _PALETTE:
        return data, 1
    depth = chunks[0][1][8]
    if depth not in (1, 2, 4, 8):
        return data, 1
    return _repainted(chunks, 0), 255 // ((1 << depth) - 1)


def grey_as_palette(data: bytes, palette: bytes) -> bytes:
    """A PNG of 8 bits grey with a palette (256 times RGB) given to it: the pixels keep their numbers, and everyone
    sees colours. The other way round: ``palette_as_grey``.
    """
    return _repainted(_png_chunks(data) or [], _PALETTE, palette)


def _repainted(chunks: list[tuple[bytes, bytes]], colour_type: int, palette: bytes = b"") -> bytes:
    header = bytearray(chunks[0][1])
    header[9] = colour_type
    kept = [(kind, body) for kind, body in chunks if kind in (b"IDAT", b"IEND")]
    made = [(b"IHDR", bytes(header)), *([(b"PLTE", palette)] if palette else []), *kept]
    parts = [PNG]
    for kind, body in made:
        parts.append(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    return b"".join(parts)


def palette_of(data: bytes) -> bytes | None:
    """The colours of a palette PNG, three bytes (red, green, blue) each; None for any other file."""
    chunks = _png_chunks(data) if data.startswith(PNG) else None
    if not chunks or len(chunks[0][1]) != 13 or chunks[0][1][9] != _PALETTE:
        return None
    return next((body for kind, body in chunks if kind == b"PLTE"), None)
