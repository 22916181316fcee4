"""Takes out of an environment what no robot runs: tests, sources and headers of libraries, libraries that nothing there
asks for, and the parts of libraries that are never loaded. What is left does what it did.
"""

from __future__ import annotations

import re
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

SOURCES: Final = ("pyi", "pyx", "pxd", "h", "hpp", "cc", "cpp", "proto", "a")
NOT_NEEDED: Final = (
    *("bin", "**/tests", "onnx/backend/test", "numpy/_core/include"),
    "zstandard/_cffi.*",  # for PyPy; CPython has backend_c
    *(f"**/*.{kind}" for kind in SOURCES),
)
"""Below site-packages."""
LIBRARY: Final = re.compile(r"(lib[^/]*)\.so[.\d]*")
MAGIC: Final = b"\x7fELF\x02\x01"
"""64 bits, little-endian: both processors that there are packages for."""
HEADER: Final = 64
LOADED: Final = 1
"""PT_LOAD: a part of the file that is mapped."""


def slim(site: Path) -> None:
    """Make what lies in ``site`` smaller."""
    for pattern in NOT_NEEDED:
        for path in sorted(site.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    for path in unasked(site):
        path.unlink()
    for path in _binaries(site):
        data = path.read_bytes()
        small = stripped(data)
        if loaded(small) != loaded(data):
            raise RuntimeError(f"{path}: what is loaded of it would change")
        path.write_bytes(small)


def _binaries(site: Path) -> list[Path]:
    """Libraries, extensions of Python included."""
    return sorted(path for path in site.rglob("*.so*") if path.is_file() and _starts_with(path, MAGIC))


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def unasked(site: Path) -> list[Path]:
    """Shared libraries whose name stands in no other library and in no source: nobody can load them."""
    binaries = _binaries(site)
    names = {path: match[1].encode() for path in binaries if (match := LIBRARY.fullmatch(path.name))}
    patterns = {path: re.compile(re.escape(name) + rb"(?![\w-])") for path, name in names.items()}
    left = set(names)
    for path in (*binaries, *sorted(site.rglob("*.py"))):
        text = path.read_bytes()
        left -= {one for one in left if one != path and names[one] in text and patterns[one].search(text)}
    return sorted(left)


@dataclass(frozen=True)
class Part:
    """One line of a library's program header (elf(5), Elf64_Phdr)."""

    kind: int
    flags: int
    offset: int
    address: int
    physical: int
    size: int
    memory: int
    align: int

    FORMAT = "<IIQQQQQQ"

    @classmethod
    def table(cls, data: bytes) -> list[Part]:
        (start,) = struct.unpack_from("<Q", data, 32)
        length, count = struct.unpack_from("<HH", data, 54)
        return [cls(*struct.unpack_from(cls.FORMAT, data, start + length * number)) for number in range(count)]


def stripped(data: bytes) -> bytes:
    """A library without the bytes that no part of it holds: symbols for linkers, what debuggers read, and the list of
    sections. The loader reads parts only, and every part keeps its bytes and its address.

    A strip of binutils' or LLVM's can't be used: where patchelf has written (in every wheel that brings libraries), the
    one changes bytes and the other leaves parts that don't begin at a page.
    """
    parts = Part.table(data)
    (table,) = struct.unpack_from("<Q", data, 32)
    length = struct.calcsize(Part.FORMAT) * len(parts)
    page = max(part.align for part in parts if part.kind == LOADED)
    wanted = [(0, HEADER), (table, table + length), *((part.offset, part.offset + part.size) for part in parts)]
    kept = list(_kept(sorted(wanted), page))

    def moved(offset: int) -> int:
        return offset - sum(begin - end for end, begin in _gaps(kept) if begin <= offset)

    out = bytearray(b"".join(data[begin:end] for begin, end in kept))
    struct.pack_into("<Q", out, 32, moved(table))
    struct.pack_into("<Q", out, 40, 0)  # where the list of sections begins,
    struct.pack_into("<HH", out, 60, 0, 0)  # how many there are, and which holds their names
    for number, part in enumerate(parts):
        struct.pack_into("<Q", out, moved(table) + number * struct.calcsize(Part.FORMAT) + 8, moved(part.offset))
    return bytes(out)


def _kept(wanted: list[tuple[int, int]], page: int) -> Iterator[tuple[int, int]]:
    """The ranges to keep. What lies between them is whole pages, so that what follows begins at one as before."""
    begin, end = wanted[0]
    for first, last in wanted[1:]:
        room = (first - end) // page * page
        if room > 0:
            yield begin, first - room
            begin = first
        end = max(end, last)
    yield begin, end


def _gaps(kept: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(end, begin) for (_, end), (begin, _) in pairwise(kept)]


def loaded(data: bytes) -> list[tuple[int, bytes]]:
    """What a library is in memory: the address and content of every part. Zeros stand for the header and the table of
    parts, which tell where in the file something lies.
    """
    parts = Part.table(data)
    (table,) = struct.unpack_from("<Q", data, 32)
    bare = bytearray(data)
    for begin, end in ((0, HEADER), (table, table + struct.calcsize(Part.FORMAT) * len(parts))):
        bare[begin:end] = bytes(end - begin)
    return [(p.address, bytes(bare[p.offset : p.offset + p.size])) for p in parts if p.kind == LOADED]
