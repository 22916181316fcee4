"""ROS 2 messages without ROS: their definitions, records of them, and the records' bytes in CDR.

Definitions are those of ROS 2's common_interfaces, rcl_interfaces and vision_msgs (the same from Humble to Kilted);
CDR from the OMG's DDS-XTypes 7.4.3: little endian, alignment counted after the four bytes that name the representation.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

import numpy as np

DEFINITIONS: Final[dict[str, str]] = {
    "builtin_interfaces/Time": "int32 sec\nuint32 nanosec",
    "std_msgs/Header": "builtin_interfaces/Time stamp\nstring frame_id",
    "std_msgs/String": "string data",
    "std_msgs/MultiArrayDimension": "string label\nuint32 size\nuint32 stride",
    "std_msgs/MultiArrayLayout": "std_msgs/MultiArrayDimension[] dim\nuint32 data_offset",
    "std_msgs/Float32MultiArray": "std_msgs/MultiArrayLayout layout\nfloat32[] data",
    "sensor_msgs/Image": (
        "std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step\n"
        "uint8[] data"
    ),
    "sensor_msgs/CompressedImage": "std_msgs/Header header\nstring format\nuint8[] data",
    "vision_msgs/VisionClass": "uint16 class_id\nstring class_name",
    "vision_msgs/LabelInfo": "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold",
    "diagnostic_msgs/KeyValue": "string key\nstring value",
    "diagnostic_msgs/DiagnosticStatus": (
        "byte OK=0\nbyte WARN=1\nbyte ERROR=2\nbyte STALE=3\n"
        "byte level\nstring name\nstring message\nstring hardware_id\ndiagnostic_msgs/KeyValue[] values"
    ),
    "diagnostic_msgs/DiagnosticArray": "std_msgs/Header header\ndiagnostic_msgs/DiagnosticStatus[] status",
    "rcl_interfaces/Log": (
        "byte DEBUG=10\nbyte INFO=20\nbyte WARN=30\nbyte ERROR=40\nbyte FATAL=50\n"
        "builtin_interfaces/Time stamp\nuint8 level\nstring name\nstring msg\nstring file\nstring function\nuint32 line"
    ),
}
_NUMBERS: Final = {"byte": "B", "uint8": "B", "uint16": "H", "int32": "i", "uint32": "I", "float32": "f"}
_LITTLE_ENDIAN: Final = b"\x00\x01\x00\x00"
_BETWEEN: Final = f"\n{'=' * 80}\n"


class Record:
    """A message; its class has the constants of its definition."""

    definition: str

    def __init__(self, **fields: Any) -> None:
        """``fields``: all of the definition's."""
        self.fields = fields


class Records:
    """Gives the classes of messages, as ROS's own packages do."""

    @staticmethod
    @cache
    def kind(name: str) -> type[Record]:
        """Of a name in ``DEFINITIONS``."""
        lines = (line.split()[1].partition("=") for line in DEFINITIONS[name].splitlines())
        constants = {constant: int(value) for constant, equals, value in lines if equals}
        return type(name.partition("/")[2], (Record,), {"definition": name, **constants})


def full_name(name: str) -> str:
    """As ROS 2 writes it out: ``std_msgs/msg/String``."""
    return name.replace("/", "/msg/")


def definition(name: str) -> bytes:
    """The definition, and below it all that it needs, as MCAP's encoding ``ros2msg`` wants them."""
    needed = [name]
    for each in needed:
        inner = (form.removesuffix("[]") for form, _ in _fields(each))
        needed += [form for form in dict.fromkeys(inner) if form in DEFINITIONS and form not in needed]
    return _BETWEEN.join([DEFINITIONS[name], *(f"MSG: {each}\n{DEFINITIONS[each]}" for each in needed[1:])]).encode()


def _fields(name: str) -> Iterator[tuple[str, str]]:
    """(type, name) of each."""
    for line in DEFINITIONS[name].splitlines():
        form, field = line.split()
        if "=" not in field:
            yield form, field


def encode(record: Record) -> bytes:
    """Its bytes in CDR."""
    out = bytearray()
    _writer(record.definition)(out, record)
    return _LITTLE_ENDIAN + bytes(out)


Write = Callable[[bytearray, Any], None]


@cache
def _writer(form: str) -> Write:
    """What puts a value of a type behind what is there already."""
    if form.endswith("[]"):
        return _array(form[:-2])
    if form == "string":
        return _text
    if form in _NUMBERS:
        return _number(struct.Struct(f"<{_NUMBERS[form]}"))
    fields = [(_writer(inner), field) for inner, field in _fields(form)]

    def write(out: bytearray, record: Record) -> None:
        for put, field in fields:
            put(out, record.fields[field])

    return write


def _number(layout: struct.Struct) -> Write:
    def write(out: bytearray, value: float) -> None:
        _align(out, layout.size)
        out += layout.pack(value)

    return write


def _array(form: str) -> Write:
    put, count = _writer(form), _writer("uint32")

    def write(out: bytearray, values: Any) -> None:
        count(out, len(values))
        for value in values:
            put(out, value)

    def write_numbers(out: bytearray, values: Any) -> None:
        numbers = np.asarray(values, np.dtype(f"<{_NUMBERS[form]}"))
        count(out, len(numbers))
        _align(out, numbers.itemsize)
        out += numbers.tobytes()

    return write_numbers if form in _NUMBERS else write


def _text(out: bytearray, value: str) -> None:
    data = value.encode("utf-8", "replace") + b"\0"
    _align(out, 4)
    out += len(data).to_bytes(4, "little")
    out += data


def _align(out: bytearray, size: int) -> None:
    out += bytes(-len(out) % size)
