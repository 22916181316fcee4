"""Ids of events: unique, and in order as text, whatever the clock does."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Final

MAX_STAMP: Final = (1 << 60) - (1 << 32)
"""Of 60 bits: above it a damaged or hostile id would leave too few to come after it."""


def following(last: str) -> str:
    """A UUID version 7 (RFC 9562): 48 bits of milliseconds and 12 of a counter, above ``last`` even if the clock was
    set back, and 62 random bits.
    """
    number = int(time.time() * 1000) << 12
    if last:
        number = max(number, stamp(last) + 1)
    value = (number >> 12) << 80 | 0x7 << 76 | (number & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def stamp(identifier: str) -> int:
    """The 60 bits that order a UUID version 7."""
    value = uuid.UUID(identifier).int
    return (value >> 80) << 12 | (value >> 64) & 0xFFF
