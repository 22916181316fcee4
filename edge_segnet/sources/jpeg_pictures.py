"""A camera's JPEGs, one by one: bounded before they are decoded, no larger than needed, and damaged ones told apart."""

from __future__ import annotations

from typing import Final

from edge_segnet.core.errors import SourceLost
from edge_segnet.core.uris import quarter
from edge_segnet.pictures import jpeg
from edge_segnet.sources.drawn import Picture, Place, anywhere, draw
from edge_segnet.sources.live import FrameFormat, Terms

PASSES: Final = 12
"""Times the memory of a plain JPEG: a progressive one is kept whole while its passes come."""


class JpegPictures:
    """Of one camera. ``damaged`` counts those that were not whole; with ``on_damage: flag`` they come all the same."""

    def __init__(self, terms: Terms) -> None:
        self.damaged = 0
        self._drop, self._max_pixels = terms.on_damage == "drop", terms.max_pixels

    def picture(self, data: bytes, wish: FrameFormat, place: Place = anywhere) -> Picture | None:
        """A picture at the size that is wanted; None for one that is not whole, or is none at all.

        Raises:
            SourceLost: it is larger than pictures may be.
        """
        if not data.startswith(b"\xff\xd8"):
            self.damaged += 1
            return None
        seen = jpeg.examine(data)
        width, height = seen.size
        # One that is sent in passes is kept whole while they come: twelve times the memory.
        most = self._max_pixels // PASSES if seen.progressive else self._max_pixels
        if width * height > most:
            raise SourceLost(f"pictures of {width}x{height}", hint="a camera that has such: max_megapixels")
        source = quarter((width, height), wish.flip)
        if seen.fault is not None and (self._drop or not width):
            self.damaged += 1
            return None
        image, words = jpeg.decode(data, jpeg.flags_for(source, wish.size))
        whole = seen.fault is None and words is None and image is not None
        self.damaged += not whole
        if image is None or (self._drop and not whole):
            return None
        drawn = draw(image, wish, place)
        return Picture(drawn.image, source, whole, drawn.copies)
