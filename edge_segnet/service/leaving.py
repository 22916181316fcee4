"""What was taken from work, and is closed once no loop uses it any more: a slow frame may still be under way in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from edge_segnet.core import threads
from edge_segnet.service.camera import Camera
from edge_segnet.service.model import Loaded

logger = logging.getLogger(__name__)


class Leaving:
    """One thread's."""

    def __init__(self, running: Callable[[], Mapping[str, Camera]]) -> None:
        """``running``: the cameras at work."""
        self._running = running
        self._models: list[Loaded] = []
        self._cameras: list[Camera] = []

    def cameras(self, gone: Iterable[Camera]) -> None:
        """Their loops may still run."""
        self._cameras = [camera for camera in (*self._cameras, *gone) if camera.runs]

    def model(self, loaded: Loaded) -> None:
        """Close it as soon as that can be."""
        if loaded not in self._models:
            self._models.append(loaded)
        self.close_unused()

    def close_unused(self) -> None:
        """Close what no loop uses any more."""
        loops = (*self._running().values(), *self._cameras)
        unused = [each for each in self._models if not any(camera.uses(each.backend) for camera in loops)]
        for loaded in unused:
            self._models.remove(loaded)
            try:
                loaded.backend.close()
            except Exception as error:  # noqa: BLE001 - it is gone either way
                logger.warning("%s: could not be closed (%s)", loaded.card.name, threads.told(error))
