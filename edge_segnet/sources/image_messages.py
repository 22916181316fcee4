"""Pictures in messages: Foxglove's and ROS 2's, in protobuf, JSON or CDR.

Field numbers and orders from the published definitions: foxglove.CompressedImage, CompressedVideo and RawImage
(github.com/foxglove/foxglove-sdk, schemas), sensor_msgs/CompressedImage and Image (ROS 2's common_interfaces), CDR from
the OMG's DDS-XTypes 7.4.3, with alignment counted after the four bytes that name the representation.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message,
    message_factory,
)

from edge_segnet.core.errors import BadFrame
from edge_segnet.pictures.raw_pixels import RawPixels

VIDEO: Final = frozenset({"h264", "h265", "hevc", "vp9", "av1"})
"""Formats of which a message alone is no picture."""


@dataclass(frozen=True)
class Encoded:
    """A picture file, or a part of a video of ``format`` (``VIDEO``)."""

    format: str
    data: bytes


Picture = Encoded | RawPixels
Decode = Callable[[bytes], Picture]

_BYTES, _STRING, _FIXED32 = 12, 9, 7
"""Types of descriptor.proto's ``FieldDescriptorProto``."""
_FIELDS: Final = {
    "CompressedImage": {"data": (2, _BYTES), "format": (3, _STRING)},
    "CompressedVideo": {"data": (3, _BYTES), "format": (4, _STRING)},
    "RawImage": {
        "width": (2, _FIXED32),
        "height": (3, _FIXED32),
        "encoding": (4, _STRING),
        "step": (5, _FIXED32),
        "data": (6, _BYTES),
    },
}
_ROS: Final = {
    "sensor_msgs/msg/CompressedImage": "CompressedImage",
    "sensor_msgs/msg/Image": "Image",
    "foxglove_msgs/msg/CompressedImage": "FoxgloveImage",
    "foxglove_msgs/msg/CompressedVideo": "FoxgloveVideo",
    "foxglove_msgs/msg/RawImage": "FoxgloveRaw",
}


def is_image(schema: str) -> bool:
    """Whether messages of a schema are pictures."""
    return schema in _ROS or schema.partition(".")[::2] in [("foxglove", name) for name in _FIELDS]


def decoder(schema: str, encoding: str) -> Decode | None:
    """What takes a message of ``schema`` apart; it raises BadFrame. None: nobody here can."""
    if not is_image(schema):
        return None
    if encoding == "cdr" and schema in _ROS:
        kind = _ROS[schema]
        return lambda data: _checked(_from_cdr, kind, data)
    name = schema.rpartition(".")[2]
    if encoding == "protobuf":
        return lambda data: _checked(_from_protobuf, name, data)
    if encoding == "json":
        return lambda data: _checked(_from_json, name, data)
    return None


def _checked(parse: Callable[[str, bytes], Picture], kind: str, data: bytes) -> Picture:
    try:
        return parse(kind, data)
    except (ValueError, KeyError, TypeError, struct.error, binascii.Error, message.DecodeError) as error:
        raise BadFrame(f"the message can't be read ({type(error).__name__})") from error


def _messages() -> Mapping[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="edge_segnet/pictures.proto", package="edge_segnet.pictures")
    file.syntax = "proto3"
    for name, fields in _FIELDS.items():
        kind = file.message_type.add(name=name)
        for field, (number, form) in fields.items():
            kind.field.add(name=field, number=number, type=form, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"edge_segnet.pictures.{name}"))
        for name in _FIELDS
    }


_PROTOBUF: Final = _messages()


def _from_protobuf(name: str, data: bytes) -> Picture:
    found = _PROTOBUF[name].FromString(data)
    if name == "RawImage":
        return RawPixels(found.width, found.height, found.step, found.encoding, found.data)
    return Encoded(found.format.lower(), found.data)


def _from_json(name: str, data: bytes) -> Picture:
    found = json.loads(data)
    contents = base64.b64decode(found["data"], validate=True)
    if name == "RawImage":
        width, height, step = (int(found[key]) for key in ("width", "height", "step"))
        return RawPixels(width, height, step, str(found["encoding"]), contents)
    return Encoded(str(found["format"]).lower(), contents)


def _from_cdr(kind: str, data: bytes) -> Picture:
    cdr = _Cdr(data)
    cdr.skip_time()
    if kind in ("FoxgloveVideo", "FoxgloveImage", "FoxgloveRaw"):
        cdr.text()  # frame_id
    if kind in ("FoxgloveVideo", "FoxgloveImage"):
        contents = cdr.blob()
        return Encoded(cdr.text().lower(), contents)
    if kind == "FoxgloveRaw":
        width, height, encoding, step = cdr.number(), cdr.number(), cdr.text(), cdr.number()
        return RawPixels(width, height, step, encoding, cdr.blob())
    cdr.text()  # the header's frame_id
    if kind == "CompressedImage":
        return Encoded(_image_transport(cdr.text()), cdr.blob())
    height, width, encoding, big = cdr.number(), cdr.number(), cdr.text(), cdr.byte()
    return RawPixels(width, height, cdr.number(), encoding, cdr.blob(), bool(big))


def _image_transport(text: str) -> str:
    """``rgb8; jpeg compressed bgr8`` is a JPEG; ``compressedDepth`` is no picture.

    Raises:
        ValueError: it is a depth map.
    """
    if "compresseddepth" in text.lower():
        raise ValueError("a depth map")
    return next((form for form in ("jpeg", "png", *VIDEO) if form in text.lower()), text.lower())


class _Cdr:
    """Reads values one after the other; raises ValueError or struct.error where the message ends before."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 4 or data[0] != 0 or data[1] not in (0, 1):
            raise ValueError("no plain CDR")
        self._data = memoryview(data)[4:]
        self._order = "<" if data[1] else ">"
        self._at = 0

    def number(self) -> int:
        """uint32."""
        self._at = -(-self._at // 4) * 4
        (value,) = struct.unpack_from(f"{self._order}I", self._data, self._at)
        self._at += 4
        return int(value)

    def byte(self) -> int:
        """uint8."""
        value = self._data[self._at] if self._at < len(self._data) else self._missing()
        self._at += 1
        return int(value)

    def skip_time(self) -> None:
        """builtin_interfaces/Time."""
        self.number()
        self.number()

    def blob(self) -> bytes:
        """sequence<uint8>."""
        length = self.number()
        if length > len(self._data) - self._at:
            self._missing()
        found = bytes(self._data[self._at : self._at + length])
        self._at += length
        return found

    def text(self) -> str:
        """A string, which ends with a zero byte."""
        return self.blob().rstrip(b"\0").decode("utf-8", "replace")

    def _missing(self) -> int:
        raise ValueError("the message ends too early")
