"""How seeds become hostile: bytes, text, values inside documents, PNG chunks with right checksums."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

NUMBERS: Final = (0, 1, -1, 2, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64)
TOKENS: Final = (
    *("{", "}", "[", "]", ":", ",", "-", "? ", "&a ", "*a", "!!python/object:os.system ", "!", "|", ">", "'", '"', "#"),
    *("%YAML 1.1\n", "---\n", "...\n", "<<: ", "null", "~", "yes", "no", "true", "1e999", "-1e999", ".inf", ".nan"),
    *("0x10", "0b1", "1:30", "1_000", "010", "2001-13-45", "2001-01-01", "1e3", "-0", "+.5", "1.", "9" * 5000),
    *("\t", "\0", "\u2028", "\ufeff", "\U0001f600", "\x85", "../", "/etc/passwd", "/dev/zero", "\r\n", "@", "`", "="),
    *("[[[[[[", "{a: {a: {a: ", "- - - - ", "[" * 3000),
)
VALUES: Final[tuple[Any, ...]] = (
    *(
        None,
        0,
        -1,
        1.5,
        True,
        "",
        [],
        {},
        [1],
        {"a": 1},
        10**30,
        10**400,
        float("nan"),
        float("inf"),
        "NaN",
        "x" * 1000,
    ),
    *("../../../etc/passwd", "\ud800", "a\nb", "\0", [[1, 2]], 2**63, "0x10", "1:30"),
)


def mutated(rng: random.Random, data: bytes, times: int | None = None) -> bytes:
    """Bytes changed in a few places."""
    changed = bytearray(data)
    for _ in range(times or rng.choice((1, 1, 2, 3, 5, 8, 20))):
        changed = _once(rng, changed or bytearray(1))
    return bytes(changed)


def _once(rng: random.Random, data: bytearray) -> bytearray:
    place = rng.randrange(len(data))
    match rng.randrange(8):
        case 0:
            data[place] ^= 1 << rng.randrange(8)
        case 1:
            data[place] = rng.randrange(256)
        case 2:
            del data[place : place + rng.choice((1, 2, 4, 16, 256))]
        case 3:
            data[place:place] = rng.randbytes(rng.choice((1, 2, 4, 16)))
        case 4:
            other = rng.randrange(len(data))
            data[place:place] = data[other : other + rng.choice((1, 4, 16, 64, 512))]
        case 5:
            width = rng.choice((1, 2, 4, 8))
            value = rng.choice(NUMBERS) % (1 << 8 * width)
            data[place : place + width] = value.to_bytes(width, rng.choice(("big", "little")))
        case 6:
            return data[:place]
        case _:
            data[place:place] = rng.choice((b"\xff", b"\0")) * rng.choice((1, 4, 16))
    return data


def mutated_text(rng: random.Random, text: str, tokens: Sequence[str] = TOKENS) -> str:
    """Text changed in a few places: tokens, lines, values after a colon."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 10))):
        text = _text_once(rng, text, tokens)
    return text


def _text_once(rng: random.Random, text: str, tokens: Sequence[str]) -> str:
    place = rng.randrange(len(text) + 1)
    lines = text.split("\n")
    line = rng.randrange(len(lines))
    match rng.randrange(8):
        case 0:
            return text[:place] + rng.choice(tokens) + text[place:]
        case 1:
            return text[:place] + text[place + rng.choice((1, 2, 5, 20)) :]
        case 2:
            return "\n".join([*lines[:line], lines[line], *lines[rng.randrange(len(lines)) :]])
        case 3:
            return "\n".join(lines[:line] + lines[line + 1 :])
        case 4:
            return _other_value(rng, text, tokens)
        case 5:
            return (
                text[:place] + text[place : place + rng.choice((1, 10, 100))] * rng.choice((2, 10, 100)) + text[place:]
            )
        case 6:
            code = rng.choice((0, 9, 13, 27, 127, 0x85, 0xA0, 0xD7FF, 0x2028, 0xFEFF, 0xFFFF, 0x1F600))
            return text[:place] + chr(code) + text[place:]
        case _:
            return "\n".join([*lines[:line], " " * rng.choice((1, 2, 4)) + lines[line], *lines[line + 1 :]])


def _other_value(rng: random.Random, text: str, tokens: Sequence[str]) -> str:
    """Another value behind one of the colons."""
    colons = [place for place, mark in enumerate(text) if mark == ":"]
    if not colons:
        return text
    begin = rng.choice(colons) + 1
    end = begin
    while end < len(text) and text[end] not in "\n,}":
        end += 1
    return f"{text[:begin]} {rng.choice(tokens)}{text[end:]}"


def change_value(rng: random.Random, document: Any, values: Sequence[Any] = VALUES) -> None:
    """One value somewhere inside lists and mappings becomes another, goes, or gets a neighbour."""
    path = rng.choice(list(_paths(document)))
    for key in path[:-1]:
        document = document[key]
    chance = rng.random()
    if chance < 0.8:
        document[path[-1]] = rng.choice(values)
    elif chance < 0.9:
        del document[path[-1]]
    elif isinstance(document, dict):
        document[rng.choice(("x", "", "name"))] = rng.choice(values)


def _paths(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for key, value in items:
        yield (*path, key)
        yield from _paths(value, (*path, key))


def png(chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A PNG of chunks (name, data), with right lengths and checksums."""
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """What ``png`` put together."""
    chunks, place = [], 8
    while place + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    return chunks


def mutated_png(rng: random.Random, data: bytes) -> bytes:
    """A PNG whose chunks are changed and whose checksums are right, so that a decoder looks inside."""
    if rng.random() < 0.2:
        return mutated(rng, data)
    chunks = png_chunks(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        place = rng.randrange(len(chunks))
        name, body = chunks[place]
        match rng.randrange(6):
            case 0:
                chunks[place] = name, mutated(rng, body or b"\0", 1)
            case 1 if name == b"IHDR":
                side = rng.choice((0, 1, 2, 20, 5000, 65535, 100_000, 2**31 - 1))
                chunks[place] = (
                    name,
                    struct.pack(">I", side) + body[4:]
                    if rng.random() < 0.5
                    else body[:4] + struct.pack(">I", side) + body[8:],
                )
            case 2 if name == b"IHDR":
                at = rng.randrange(8, 13)
                chunks[place] = name, body[:at] + bytes([rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))]) + body[at + 1 :]
            case 3:
                chunks.insert(rng.randrange(len(chunks)), chunks[place])
            case 4 if len(chunks) > 1:
                del chunks[place]
            case _:
                extra = rng.choice((b"PLTE", b"tRNS", b"gAMA", b"iCCP", b"tEXt", b"acTL", b"IDAT", b"xxXx"))
                chunks.insert(
                    rng.randrange(len(chunks)), (extra, rng.randbytes(rng.choice((0, 1, 2, 3, 6, 768, 771, 5000))))
                )
        if not chunks:
            break
    return png(chunks)
