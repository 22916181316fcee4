"""Which drive a frame is of: frames of one drive resemble each other, so what is true of one drive may be luck."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from edge_segnet.core.errors import UsageError

_NUMBER: Final = re.compile(r"[-_. ]*(?:f|frame)?[-_. ]*\d+$", re.IGNORECASE)
"""What a frame's name ends with, as in ``0006R0_f00930`` (CamVid) and ``front-000123``."""
BLOCKS: Final = 10
"""Stretches of one drive that are drawn as one: neighbours are too alike to count as separate evidence."""


def drives(stems: Sequence[str], pattern: str | None = None) -> list[str]:
    """Of every frame's name (without suffix) its drive: the name without its number, or what ``pattern``, a regular
    expression, finds in it (its first group, if it has one).

    Raises:
        UsageError: the pattern is none, or fits not every name.
    """
    if pattern is None:
        return [_NUMBER.sub("", stem) for stem in stems]
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--drives {pattern}: no regular expression ({error})") from error
    found = [expression.search(stem) for stem in stems]
    for stem, match in zip(stems, found, strict=True):
        if match is None:
            raise UsageError(f"--drives {pattern}: does not fit {stem!r}", hint="it must find a drive in every name")
    return [match[1 if expression.groups else 0] or "" for match in found if match is not None]


def blocks(count: int) -> list[int]:
    """Frames of one drive, in order, as up to ten stretches of neighbours: each frame's stretch."""
    parts = min(BLOCKS, count)
    return [place * parts // count for place in range(count)]
