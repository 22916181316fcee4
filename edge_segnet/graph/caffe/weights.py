"""The binary format: a caffemodel as arrays by layer name. Nothing in it is believed before it was counted.

A few bytes of a hostile file can ask protobuf for millions of objects, so the file's outline (which fields, how long)
is walked first, without copying, and must stay within limits; only then the library parses one layer at a time.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.caffe.schema import V1Weights, Weights

MAX_BYTES: Final = 1 << 30
"""Of the file; the full SegNet has 118 MB."""
MAX_LAYERS: Final = 4000
MAX_FIELDS: Final = 400
"""Of one layer or one blob: names, blobs, settings."""
MAX_DIMENSIONS: Final = 8
"""Caffe's own bound (kMaxBlobAxes) is 32; its layers for pictures have four."""

_LAYER, _V1_LAYER = 100, 2
"""Field numbers of NetParameter in caffe.proto: ``layer``, and ``layers`` as it was before 2014."""
_BLOBS: Final = {_LAYER: 7, _V1_LAYER: 6}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Span = tuple[int, int]
Blob = NDArray[np.float32]


@dataclass(frozen=True)
class _Field:
    number: int
    wire: int
    start: int
    end: int


class _Damaged(Exception):
    """Says what is wrong, without the file's name."""


def read_weights(path: Path) -> dict[str, list[Blob]]:
    """Every layer's blobs, float32, in the shape that the file gives them.

    Raises:
        ModelError: missing, too large, truncated, damaged, or asking for more than it brings.
    """
    try:
        if not path.is_file():
            hint = "give a .caffemodel"
            raise ModelError(f"{path}: {'not a file' if path.exists() else 'no such file'}", hint=hint)
        size = path.stat().st_size
        if not 0 < size <= MAX_BYTES:
            raise ModelError(f"{path}: {size} bytes can't be weights", hint=f"1 to {MAX_BYTES} bytes are read")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            weights = dict(_layers(data))
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}", hint="check the file and its rights") from None
    except _Damaged as error:
        hint = "is it a .caffemodel? copy or download it again"
        raise ModelError(f"{path}: damaged: {error}", hint=hint) from None
    if not weights:
        raise ModelError(f"{path}: no layer with weights", hint="is it a .caffemodel?")
    return weights


def _layers(data: mmap.mmap) -> Iterator[tuple[str, list[Blob]]]:
    count, seen = 0, set()
    for field in _fields(data, (0, len(data)), MAX_LAYERS + MAX_FIELDS):
        if field.number not in _BLOBS or field.wire != _BYTES:
            continue
        count += 1
        if count > MAX_LAYERS:
            raise _Damaged(f"more than {MAX_LAYERS} layers")
        _check_outline(data, field)
        message = (Weights if field.number == _LAYER else V1Weights)()
        try:
            message.ParseFromString(data[field.start : field.end])
            name = message.name
            if not isinstance(name, str):  # protobuf hands out what is no UTF-8 as bytes
                raise ValueError
        except (DecodeError, UnicodeDecodeError, RuntimeError, ValueError):
            raise _Damaged(f"layer {count} can't be decoded") from None
        if message.blobs:
            if name in seen:
                raise _Damaged(f"two layers are called '{name[:60]}'")
            seen.add(name)
            yield name, [_blob(message, index) for index in range(len(message.blobs))]


def _check_outline(data: mmap.mmap, layer: _Field) -> None:
    """A layer may have only so many fields, and so may each of its blobs, whatever they claim to be."""
    for field in _fields(data, (layer.start, layer.end), MAX_FIELDS):
        if field.number != _BLOBS[layer.number] or field.wire != _BYTES:
            continue
        for part in _fields(data, (field.start, field.end), MAX_FIELDS):
            if part.number == 7 and part.wire == _BYTES and part.end - part.start > 12 * MAX_DIMENSIONS:
                raise _Damaged("a shape of too many dimensions")


def _fields(data: mmap.mmap, span: Span, limit: int) -> Iterator[_Field]:
    """The fields of a message: a key, then a number, eight bytes, four bytes or a length and as many bytes
    (https://protobuf.dev/programming-guides/encoding).
    """
    at, end = span
    count = 0
    while at < end:
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            start, (_, at) = at, _varint(data, at, end)
        elif wire in (_FIXED64, _FIXED32):
            start, at = at, at + (8 if wire == _FIXED64 else 4)
        elif wire == _BYTES:
            length, start = _varint(data, at, end)
            at = start + length
        else:
            raise _Damaged(f"byte {at} starts no field")
        if number == 0:
            raise _Damaged(f"byte {at} starts no field")
        if at > end:
            raise _Damaged(
                f"cut off, {at - end} bytes are missing in one field" if end == len(data) else "lengths contradict"
            )
        count += 1
        if count > limit:
            raise _Damaged(f"more than {limit} fields in one message")
        yield _Field(number, wire, start, at)


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _Damaged("it ends in the middle of a number" if at >= end else f"byte {at} starts no number")


def _blob(message: Any, index: int) -> Blob:
    blob = message.blobs[index]
    what = f"blob {index} of layer '{message.name[:60]}'"
    legacy = (blob.num, blob.channels, blob.height, blob.width)
    shape = tuple(blob.shape.dim) if blob.HasField("shape") else legacy
    if len(shape) > MAX_DIMENSIONS or min(shape, default=1) < 0:
        raise _Damaged(f"{what} has shape {list(shape)}")
    raw, kind = (b"".join(blob.data), "<f4") if blob.data else (b"".join(blob.double_data), "<f8")
    if len(raw) != prod(shape) * np.dtype(kind).itemsize:
        raise _Damaged(f"{what} is {list(shape)}, but holds {len(raw) // np.dtype(kind).itemsize} numbers")
    values = np.frombuffer(raw, kind).astype(np.float32, copy=False).reshape(shape)
    if not np.isfinite(values).all():
        raise _Damaged(f"{what} holds numbers that are not finite")
    return values


def about_unused(file: str, unused: dict[str, list[Blob]]) -> list[str]:
    """Notes on layers that a file has weights for and the prototxt has not: normalisations usually, absorbed by
    convolutions.
    """
    norms = [name for name, blobs in unused.items() if _normalises(blobs)]
    others = [name for name in unused if name not in norms]
    where = f"{file} are not in the prototxt"
    notes = []
    if norms:
        empty = all(not blob.any() or (blob == blob.flat[0]).all() for name in norms for blob in unused[name])
        said = "they were absorbed into the convolutions before them"
        if not empty:
            said = (
                "their statistics are not empty, so the convolutions must have absorbed a copy of them; if they have "
                "not, use the prototxt that has these layers"
            )
        notes.append(f"{len(norms)} BatchNorm or scale layers of {where} ({_some(norms)}): {said}")
    if others:
        notes.append(f"{len(others)} layers of {where}: {_some(others)}")
    return notes


def _normalises(blobs: list[Blob]) -> bool:
    """Whether these are a BatchNorm's, BN's or Scale's: two or three vectors, one number a channel."""
    return len(blobs) in (2, 3) and all(blob.size == max((*blob.shape, 1)) for blob in blobs)


def _some(names: list[str]) -> str:
    return f"{', '.join(names[:3])}{' and so on' if len(names) > 3 else ''}"
