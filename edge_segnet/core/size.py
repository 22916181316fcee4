"""Sizes as people write them: WIDTHxHEIGHT."""

from __future__ import annotations

import re
from typing import Final

from edge_segnet.core.errors import UsageError

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
