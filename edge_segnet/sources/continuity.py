"""Which pictures of a network stream are whole. What is lost on the way damages its own picture and all that are
predicted from it, until one comes that needs no other. Knows packets and coded pictures, no library.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from edge_segnet.sources.units import Unit

REMEMBERED: Final = 512
"""Pictures, by their timestamps: more than any decoder holds back."""


class Continuity:
    """Judges one opening of a stream. ``packet`` for every RTP packet, in order; ``unit`` for every coded picture that
    is made of them; ``whole`` for every decoded one. Pictures are known by their timestamps.

    ``broken`` from the beginning: who joins in the middle has not seen what the next pictures refer to. ``damaged``
    counts pictures that are not whole; while nothing was lost, those before the first key picture don't count: they
    were sent before we came.
    """

    def __init__(self) -> None:
        self.broken = True
        self.joined = False
        self.damaged = 0
        self.losses = 0
        self._seq: int | None = None
        self._at: tuple[int, bool] = (-1, True)
        self._torn: OrderedDict[int, bool] = OrderedDict()
        self._bad: OrderedDict[int, bool] = OrderedDict()
        self._recovering = 0
        self._entry = -1
        self._newest = -1

    def packet(self, seq: int, marker: bool, pts: int) -> bool:
        """Take note of a packet (RFC 3550: sequence number, marker of a picture's last packet); True: one before it
        is missing.
        """
        gap = self._seq is not None and seq != (self._seq + 1) & 0xFFFF
        if gap:
            last, ended = self._at
            if not ended:
                _note(self._torn, last, True)
            # Of another picture: its beginning may be among what is lost, which its first slice tells.
            _note(self._torn, pts, pts == last and not ended)
            self.lose()
        self._seq, self._at = seq, (pts, marker)
        return gap

    def lose(self) -> None:
        """Something is missing, or could not be decoded: what follows is damaged."""
        self.losses += 1
        self.broken, self._recovering = True, 0

    def unit(self, unit: Unit, pts: int) -> bool:
        """Judge a coded picture, in decoding order; True: it will be whole."""
        if not unit.pictured:
            return True
        if pts == self._newest:
            return pts not in self._bad  # another part of the same picture
        self._newest = pts
        torn = self._torn.get(pts)
        hurt = torn or (torn is False and not unit.starts)
        if hurt:
            self.broken = True
        elif unit.key:
            self.broken, self._recovering, self._entry = False, 0, -1
        elif self.broken and unit.recovery is not None and not self._recovering:
            self._entry, self._recovering = pts, unit.recovery + 1
        good = not hurt and self._is_good(unit, pts)
        self.joined |= good
        if not good:
            self._count(pts)
        return good

    def _is_good(self, unit: Unit, pts: int) -> bool:
        if self._recovering:
            self._recovering -= unit.reference
            self.broken = self._recovering > 0
        if self.broken:
            return False
        return not (self._entry >= 0 and (unit.leading or pts < self._entry))

    @property
    def recovering(self) -> bool:
        """Damaged pictures must be decoded, as good ones grow out of them."""
        return self._recovering > 0

    def whole(self, pts: int) -> bool:
        """Is a decoded picture whole?"""
        return pts not in self._bad

    def corrupt(self, pts: int) -> None:
        """The decoder itself says that a picture is damaged."""
        if self.whole(pts):
            self.losses += 1
            self._count(pts)

    def _count(self, pts: int) -> None:
        self.damaged += self.losses > 0 and pts not in self._bad
        _note(self._bad, pts, True)


def _note(pictures: OrderedDict[int, bool], pts: int, value: bool) -> None:
    pictures[pts] = value
    if len(pictures) > REMEMBERED:
        pictures.popitem(last=False)
