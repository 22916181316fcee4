"""The window's own process: SDL on its main thread, pictures on standard input, wishes on standard output.

In a process of its own because SDL wants the main thread on some systems, and because Xlib ends the whole process when
the X server goes away: the service must outlive its screen. It is run by path and imports nothing of the package, so
it starts fast. In: width and height (uint32, little-endian), then BGR bytes. Out: lines ``open``, ``error REASON``,
``quit``, ``camera``. It ends when its input does.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
from typing import Any, BinaryIO, Final

from edge_segnet.core import threads

HEADER: Final = struct.Struct("<II")
POLL_MS: Final = 15
"""How often keys and new pictures are looked for."""
_NO_SCREEN: Final = ("dummy", "offscreen")
"""Drivers that SDL falls back to where nothing can be seen."""

Picture = tuple[int, int, bytes]
"""Width, height, BGR."""


class _Inbox:
    """Reads pictures on a thread and keeps the newest; a screen that is slow holds nobody up."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        """Guards ``_newest``: left by the sink, drawn by the window's thread."""
        self._newest: Picture | None = None
        self.ended = False
        threads.start(self._read, "pictures", again=False)

    def _read(self) -> None:
        while len(head := self._stream.read(HEADER.size)) == HEADER.size:
            width, height = HEADER.unpack(head)
            pixels = self._stream.read(width * height * 3)
            if len(pixels) < width * height * 3:
                break
            with self._lock:
                self._newest = (width, height, pixels)
        self.ended = True

    def take(self) -> Picture | None:
        """The newest picture, once."""
        with self._lock:
            newest, self._newest = self._newest, None
        return newest


def main(title: str) -> None:
    """Open the window and serve it until the input ends."""
    try:
        import pygame
    except ImportError as error:
        _say(f"error a window needs pygame-ce ({error})")
        return
    try:
        pygame.display.init()
        driver = pygame.display.get_driver()
        if driver in _NO_SCREEN and "SDL_VIDEODRIVER" not in os.environ:
            raise pygame.error(f"only SDL's {driver} driver works")
        pygame.display.set_caption(title)
        pygame.display.set_allow_screensaver(True)
        pygame.display.set_mode((960, 400), pygame.RESIZABLE)
    except pygame.error as error:
        _say(f"error no screen for a window ({error})")
        return
    _say("open")
    _serve(pygame, _Inbox(sys.stdin.buffer))
    pygame.display.quit()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - standard output is the way to the parent


def _serve(pygame: Any, inbox: _Inbox) -> None:
    picture: Picture | None = None
    fitted = False
    while not inbox.ended:
        newest = inbox.take()
        redraw = _handle(pygame) or newest is not None
        picture = newest or picture
        if picture is not None and redraw:
            if not fitted:
                _fit(pygame, picture)
                fitted = True
            _draw(pygame, picture)
        pygame.time.wait(POLL_MS)


def _fit(pygame: Any, picture: Picture) -> None:
    """A window of the picture's size (smaller on a small desktop), in the middle."""
    desktop = pygame.display.get_desktop_sizes()[0]
    factor = min(1.0, *(0.95 * room / side for room, side in zip(desktop, picture[:2], strict=True)))
    size = [round(side * factor) for side in picture[:2]]
    pygame.display.set_mode(size, pygame.RESIZABLE)
    pygame.display.set_window_position([(room - side) // 2 for room, side in zip(desktop, size, strict=True)])


def _handle(pygame: Any) -> bool:
    """Pass wishes on; whether the window has to be drawn again."""
    redraw = False
    for event in pygame.event.get():
        key = event.key if event.type == pygame.KEYDOWN else None
        if event.type == pygame.QUIT or key in (pygame.K_ESCAPE, pygame.K_q):
            _say("quit")
        elif key == pygame.K_TAB:
            _say("camera")
        redraw |= event.type in (pygame.VIDEORESIZE, pygame.VIDEOEXPOSE, pygame.WINDOWEXPOSED)
    return redraw


def _draw(pygame: Any, picture: Picture) -> None:
    """As large as the window allows, in the picture's own proportions."""
    width, height, pixels = picture
    screen = pygame.display.get_surface()
    surface = pygame.image.frombuffer(pixels, (width, height), "BGR")
    scale = min(screen.get_width() / width, screen.get_height() / height)
    if scale != 1.0:
        surface = pygame.transform.smoothscale(surface, (max(1, int(width * scale)), max(1, int(height * scale))))
    screen.fill((24, 24, 24))
    left = (screen.get_width() - surface.get_width()) // 2
    screen.blit(surface, (left, (screen.get_height() - surface.get_height()) // 2))
    pygame.display.flip()


if __name__ == "__main__":
    main(sys.argv[1])
