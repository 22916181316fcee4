"""When a camera stays away although it is there: ask the board for what opening it again can't do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from edge_segnet.board import recover
from edge_segnet.core import threads, uris
from edge_segnet.service.camera import Camera
from edge_segnet.settings.recover import RecoverConfig
from edge_segnet.sources import usb

logger = logging.getLogger(__name__)
PATIENCE_S: Final = 30.0
"""A camera that opening again brings back needs no more than this."""
AGAIN_S: Final = 120.0
"""After one help, before the next."""
AWAY: Final = ("missing", "lost", "stalled", "frozen")
"""No port and no daemon is to blame for a covered lens (black), or for a network that computes no numbers."""
Ask = Callable[[recover.Action, int, str], str]


class Recovery:
    """Looked at now and then by one thread; asks on another, since an answer may take long."""

    def __init__(self, ask: Ask = recover.ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._away_s: dict[str, float] = {}
        self._asked_s: dict[str, float] = {}

    def look(self, cameras: Mapping[str, Camera], config: RecoverConfig | None) -> None:
        """Ask for what ``config`` allows, for cameras that are away for too long."""
        now_s = self._clock()
        for name, camera in cameras.items():
            if config is None or camera.state.state not in AWAY:
                self._away_s.pop(name, None)
                continue
            away_s = self._away_s.setdefault(name, now_s)
            if now_s - away_s < PATIENCE_S or now_s - self._asked_s.get(name, -AGAIN_S) < AGAIN_S:
                continue
            if (help_ := _help(camera, config)) is not None:
                self._asked_s[name] = now_s
                threads.start(partial(self._get, name, *help_), f"recover {name}", again=False)

    def _get(self, name: str, action: recover.Action, limit: int, port: str) -> None:
        answer = self._ask(action, limit, port)
        logger.warning("camera %s: %s %s: %s", name, action, port, answer, extra={"camera": name, "event": "recover"})


def _help(camera: Camera, config: RecoverConfig) -> tuple[recover.Action, int, str] | None:
    source = uris.parse(camera.config.source or "-")
    if source.kind == "csi" and config.restart_argus:
        return "restart_argus", config.restart_argus, ""
    if source.kind == "v4l2" and config.usb_reset and (port := usb.followed.port(source.device)):
        return "usb_reset", config.usb_reset, port
    return None
