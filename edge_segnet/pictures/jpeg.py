"""JPEG (ITU-T T.81): is a picture whole, and how large does it say it is? Known before, and while, it is decoded.

libjpeg fills what is missing with grey and only warns. A file that ends too early is told by its structure; one whose
data breaks off before an end marker only by libjpeg's own words.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np

from edge_segnet.core.types import Image
from edge_segnet.pictures.chatter import quiet_decoders

_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length: TEM, RST0-7, SOI."""
_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""In compressed data 0xFF is stuffed (FF 00), repeated as filler or a restart marker; all else ends it."""
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_ARITHMETIC: Final = frozenset(range(0xC9, 0xD0))
_HARMLESS: Final = re.compile(r"extraneous bytes before marker|Unknown Adobe|^\s*$")
_JPEG_WORDS: Final = re.compile(
    r"Corrupt JPEG data|Premature end|Inconsistent progression|Invalid SOS|Unsupported marker"
)


@dataclass
class _Component:
    across: int
    down: int
    bits: list[int] = field(default_factory=lambda: [64] * 64)
    """Of each coefficient: how many low bits are still missing; 64: all."""


@dataclass(frozen=True)
class Examined:
    """(width, height) as the header says, (0, 0) without one; ``fault``: why it is not whole, None: nothing known;
    ``progressive``: sent in passes.
    """

    size: tuple[int, int]
    fault: str | None
    progressive: bool = False


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = (0, 0)
        self.kind = 0
        self.components: dict[int, _Component] = {}
        self.shortest: dict[tuple[int, int], int] = {}
        self.needed = self.held = 0

    def frame(self, kind: int, body: bytes) -> None:
        if len(body) < 6 or len(body) < 6 + 3 * body[5]:
            return
        self.kind = kind
        self.size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
        for at in range(6, 6 + 3 * body[5], 3):
            self.components[body[at]] = _Component(max(1, body[at + 1] >> 4), max(1, body[at + 1] & 15))

    def tables(self, body: bytes) -> None:
        at = 0
        while at + 17 <= len(body):
            counts = body[at + 1 : at + 17]
            self.shortest[body[at] >> 4, body[at] & 15] = next((n + 1 for n, many in enumerate(counts) if many), 1)
            at += 17 + sum(counts)

    def scan(self, header: bytes, length: int) -> None:
        """Take note of a scan with ``length`` bytes of data."""
        count = header[0] if header else 0
        if len(header) < 4 + 2 * count:
            return
        first, last, approximation = header[1 + 2 * count : 4 + 2 * count]
        if self.kind not in _PROGRESSIVE:
            first, last, approximation = 0, 63, 0
        for at in range(1, 1 + 2 * count, 2):
            component = self.components.get(header[at])
            if component is None:
                continue
            for index in range(first, min(last, 63) + 1):
                component.bits[index] = approximation & 15
            if first == 0 and approximation >> 4 == 0 and self.kind not in _ARITHMETIC:
                bits = self.shortest.get((0, header[at + 1] >> 4), 1)
                bits += 0 if self.kind in _PROGRESSIVE else self.shortest.get((1, header[at + 1] & 15), 1)
                self.needed += bits * self._blocks(component)
        self.held += 8 * length

    def _blocks(self, component: _Component) -> int:
        """At least so many, of 8x8 pixels."""
        most_across = max(one.across for one in self.components.values())
        most_down = max(one.down for one in self.components.values())
        width = -(-self.size[0] * component.across // (8 * most_across))
        height = -(-self.size[1] * component.down // (8 * most_down))
        return width * height

    def fault(self) -> str | None:
        width, height = self.size
        if not self.components:
            return "the JPEG has no picture"
        if missing := sum(any(one.bits) for one in self.components.values()):
            return f"the JPEG lacks scans of {missing} of {len(self.components)} components"
        if self.held < self.needed:
            return f"the JPEG holds too little data for {width}x{height} pixels"
        return None


def examine(data: bytes) -> Examined:
    """Look at a JPEG's structure; its data is not decoded."""
    reader, at, ended = _Reader(data), 2, False
    while at + 4 <= len(data) or data[at : at + 2] == b"\xff\xd9":
        if data[at] != 0xFF:
            # Something between the segments; decoders look for the next marker as well.
            ended = _MARKER.search(data, at) is not None and b"\xff\xd9" in data[at:]
            break
        marker = data[at + 1]
        if marker == 0xD9:
            ended = True
            break
        if marker == 0xFF:
            at += 1
            continue
        if marker in _STANDALONE:
            at += 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : end]
        at = end
        if marker in _FRAMES:
            reader.frame(marker, body)
        elif marker == 0xC4:
            reader.tables(body)
        elif marker == 0xDA:
            found = _MARKER.search(data, at)
            reader.scan(body, (len(data) if found is None else found.start()) - at)
            if found is None:
                break
            at = found.start()
    fault = reader.fault() if ended else "the JPEG is cut off"
    return Examined(reader.size, fault, reader.kind in _PROGRESSIVE)


AS_STORED: Final = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_REDUCED: Final = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))
"""libjpeg decodes to an eighth, a quarter, a half: quicker, and with less memory than the whole."""
_one_at_a_time: Final = threading.Lock()
"""So that what is heard is about this picture."""


def flags_for(source: tuple[int, int], size: tuple[int, int]) -> int:
    """How ``decode`` may make a picture of ``source`` (width, height) smaller, never below ``size``."""
    fitting = (flag for times, flag in _REDUCED if source[0] >= times * size[0] and source[1] >= times * size[1])
    return next(fitting, cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION


def decode(data: bytes, flags: int = AS_STORED) -> tuple[Image | None, str | None]:
    """A JPEG by libjpeg: the picture, None if there is none; and what libjpeg says is wrong with it, None: nothing."""
    with _one_at_a_time, quiet_decoders() as heard:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        text = heard.text
    lines = [line for line in text.splitlines() if _JPEG_WORDS.search(line) and not _HARMLESS.search(line)]
    return (None if picture is None else np.asarray(picture, np.uint8)), (lines[0].strip() if lines else None)
