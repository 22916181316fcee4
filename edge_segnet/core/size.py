"""Sizes as people write them: WIDTHxHEIGHT."""

from __future__ import annotations

import re
from typing import Final

from edge_segnet.core.errors import UsageError

MAX_BATCH: Final = 16
"""Frames at once: as many as a service may have cameras."""
MIN_SIZE: Final = 32
"""Pixels a side: SegNet halves its maps five times."""
MAX_SIZE: Final = 8192
"""Pixels a side; SegNet's maps at this size take tens of gigabytes already."""


def parse_optional(text: str | None) -> tuple[int, int] | None:
    """``parse_size`` of a flag that may be left out."""
    return None if text is None else parse_size(text)


def parse_size(text: str, flag: str = "--size") -> tuple[int, int]:
    """``480x360`` -> (480, 360); raises UsageError."""
    match = re.fullmatch(r"0*([1-9]\d{0,8})[xX]0*([1-9]\d{0,8})", text, re.ASCII)
    if match is None:
        raise UsageError(f"{flag} {text}: not a size", hint="give WIDTHxHEIGHT, for example 480x360")
    width, height = int(match[1]), int(match[2])
    if max(width, height) > MAX_SIZE:
        raise UsageError(f"{flag} {text} is too large", hint=f"use at most {MAX_SIZE} a side")
    return width, height


SQUEEZED: Final = 1.5
"""From here on a picture's proportions differ so much from the network's that its things no longer look like what the
network has learnt; 16:9 in 4:3 is 1.33.
"""


def squeeze(picture: tuple[int, int], network: tuple[int, int]) -> float:
    """How much a picture of (width, height) is stretched in one direction more than in the other: 1 or more."""
    ratio = picture[0] * network[1] / (picture[1] * network[0])
    return max(ratio, 1 / ratio)


def in_proportion(network: tuple[int, int], picture: tuple[int, int]) -> tuple[int, int]:
    """A network size with the picture's proportions, of multiples of 32 and no more pixels than ``network`` has."""
    aspect = picture[0] / picture[1]
    width = max(MIN_SIZE, int((network[0] * network[1] * aspect) ** 0.5) // 32 * 32)
    height = max(MIN_SIZE, int(width / aspect + 16) // 32 * 32)
    while width * height > network[0] * network[1] and max(width, height) > MIN_SIZE:
        if width / height > aspect:
            width -= 32
        else:
            height = max(MIN_SIZE, height - 32)
            width -= 32 * (height == MIN_SIZE)
    return max(width, MIN_SIZE), height


def squeeze_note(picture: tuple[int, int], network: tuple[int, int], setting: str = "--size ") -> str:
    """What to say of pictures that are squeezed, and the remedy, in whose words ``setting`` is; empty: nothing."""
    if squeeze(picture, network) < SQUEEZED:
        return ""
    better = in_proportion(network, picture)
    return (
        f"pictures of {picture[0]}x{picture[1]} are squeezed into {network[0]}x{network[1]}: try "
        f"{setting}{better[0]}x{better[1]}, which keeps their proportions"
    )
