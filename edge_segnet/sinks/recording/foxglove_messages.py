"""What a recording holds for Foxglove: ``recording: {schema: foxglove}``, the same as is sent live."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_segnet.core.types import Result
from edge_segnet.settings.sections import Picture
from edge_segnet.sinks import Service
from edge_segnet.sinks.messages import Kind, Message, Messages


class FoxgloveMessages(Messages):
    """Makes messages. May be used by several threads."""

    def __init__(self, service: Service, images: Sequence[Picture], quality: int) -> None:
        """``quality``: of JPEG."""
        super().__init__(service, quality)
        self._kinds: tuple[Kind, ...] = (*images, "regions", "result")

    def frame(self, result: Result) -> Iterator[Message]:
        """All of one frame."""
        for kind in self._kinds:
            message = self.of(result, kind)
            if message is not None:
                yield message
