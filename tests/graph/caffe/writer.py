"""Writes caffemodels byte by byte, from the wire format's description: shares nothing with the reader that it tests."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def chunk(number: int, content: bytes) -> bytes:
    """A field with a length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def integer(number: int, value: int) -> bytes:
    """A field with a number."""
    return varint(number << 3) + varint(value)


def blob(values: Array, *, legacy: bool = False, shape: Sequence[int] | None = None) -> bytes:
    """BlobProto: ``data`` 5 packed, ``shape`` 7, or the old num, channels, height, width 1 to 4."""
    sides = list(values.shape if shape is None else shape)
    if legacy:
        four = [1] * (4 - len(sides)) + sides
        head = b"".join(integer(number, side) for number, side in enumerate(four, start=1))
    else:
        head = chunk(7, chunk(1, b"".join(map(varint, sides))))
    return chunk(5, np.ascontiguousarray(values, "<f4").tobytes()) + head


def layer(name: str, kind: str, blobs: Sequence[Array], *, legacy: bool = False) -> bytes:
    """A field of NetParameter: ``layer`` 100 (name 1, type 2, blobs 7), or the old ``layers`` 2 (name 4, blobs 6)."""
    if legacy:
        body = chunk(4, name.encode()) + b"".join(chunk(6, blob(values, legacy=True)) for values in blobs)
        return chunk(2, body)
    body = chunk(1, name.encode()) + chunk(2, kind.encode()) + b"".join(chunk(7, blob(values)) for values in blobs)
    # A real file also has what the solver knew; readers skip it.
    return chunk(100, body + chunk(6, struct.pack("<Bf", 3 << 3 | 5, 1.0)) + integer(10, 0))


def caffemodel(weights: Mapping[str, Sequence[Array]], kinds: Mapping[str, str], *, legacy: bool = False) -> bytes:
    """A whole file; layers without weights stand in it as well, as Caffe writes them."""
    layers = [layer(name, kinds[name], weights.get(name, ()), legacy=legacy) for name in kinds]
    return chunk(1, b"net") + b"".join(layers)
