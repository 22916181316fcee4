"""A window: what the camera sees and what the network makes of it, side by side, with legend and times.

The pictures are put together on a thread of the sink and shown by a process of its own (``window.py``), so neither a
slow screen nor one that goes away can hold up or end the service.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge_segnet.core import threads
from edge_segnet.core.errors import OutputError
from edge_segnet.core.types import Result
from edge_segnet.sinks.display.panel import compose
from edge_segnet.sinks.display.window import HEADER
from edge_segnet.sinks.spec import SinkStatus

logger = logging.getLogger(__name__)
CLOSE_TIMEOUT_S: Final = 2.0
"""For SDL to let go of the screen; the process ends then, whatever it does."""
_HINT: Final = "run it on a desktop, or look at the dashboard with a browser"
_INSTALL: Final = "pip install 'edge-segnet[display]'"


class DisplayStatus(SinkStatus, total=False):
    """What ``/api/status`` shows of it; ``state``: open, closed or lost."""

    shown: int
    frames_per_second: float
    camera: str | None


class Display:
    """Shows the newest result of one camera; Tab goes to the next one; ESC, q and closing the window call ``on_quit``.

    ``publish`` never waits. ``on_quit`` is called once, on a thread of the sink; the window stays until ``close``, so
    that what it stops can still show its last picture. A window that is lost (its X server ended) is logged and shown
    in ``status``; it quits nothing.
    """

    def __init__(
        self,
        *,
        on_quit: Callable[[], None] = lambda: None,
        title: str = "edge-segnet",
    ) -> None:
        """Open the window.

        Raises:
            OutputError: pygame is not installed, or there is no screen.
        """
        self._on_quit = on_quit
        self._changed = threading.Condition()
        """Guards ``_newest`` and the end."""
        self._newest: dict[str, Result] = {}
        self._camera: str | None = None
        self._fresh = self._closing = self._lost = False
        self._shown = 0
        self._per_second = 0.0
        self._window = _open(title)
        self._threads = [
            threads.Thread(self._draw, "display"),
            threads.Thread(self._listen, "display-keys"),
        ]
        for thread in self._threads:
            thread.start()

    def publish(self, result: Result) -> None:
        """Leave the result for the window; microseconds."""
        camera = result.frame.camera
        with self._changed:
            self._newest[camera] = result
            if self._camera is None:
                self._camera = camera
            if camera == self._camera:
                self._fresh = True
                self._changed.notify()

    def status(self) -> DisplayStatus:
        """How the window is."""
        state = "closed" if self._closing else ("lost" if self._lost else "open")
        rate = round(self._per_second, 1)
        return {"state": state, "shown": self._shown, "frames_per_second": rate, "camera": self._camera}

    def close(self) -> None:
        """Take the window away; may be called twice, and from ``on_quit``."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._window.kill()  # it has nothing to lose, and SDL would make a wish to quit of a gentler signal
        for thread in self._threads:
            thread.join(CLOSE_TIMEOUT_S)
        self._window.wait()
        for stream in (self._window.stdin, self._window.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # half a picture may still be on its way
                    stream.close()

    def _draw(self) -> None:
        before = time.monotonic()
        while True:
            with self._changed:
                while not self._fresh and not self._closing:
                    self._changed.wait()
                if self._closing:
                    return
                result = self._newest[self._camera or ""]
                self._fresh = False
            now = time.monotonic()
            self._per_second += 0.1 * (1.0 / max(now - before, 1e-3) - self._per_second)
            before = now
            if not self._show(result):
                return

    def _show(self, result: Result) -> bool:
        """Hand one picture to the window; False when that is gone."""
        picture = compose(result, self._per_second)
        stream = self._window.stdin
        assert stream is not None
        try:
            stream.write(HEADER.pack(picture.shape[1], picture.shape[0]) + picture.tobytes())
            stream.flush()
        except OSError:
            return False
        self._shown += 1
        return True

    def _listen(self) -> None:
        asked = False
        assert self._window.stdout is not None
        for line in self._window.stdout:
            if line.strip() == b"camera":
                self._next_camera()
            elif line.strip() == b"quit" and not asked:
                asked = True
                self._on_quit()
        if not self._closing:
            self._lost = True
            logger.warning("display: the window is gone (its screen ended); the service goes on")

    def _next_camera(self) -> None:
        with self._changed:
            names = list(self._newest)
            if names:
                self._camera = names[(names.index(self._camera or names[0]) + 1) % len(names)]
                self._fresh = True
                self._changed.notify()


def _open(title: str) -> subprocess.Popen[bytes]:
    """Start the window's process and wait for its word; raises OutputError."""
    program = Path(__file__).with_name("window.py")
    # A session of its own: Ctrl-C in the terminal is for the service, which then closes the window.
    window = subprocess.Popen(
        [sys.executable, "-I", str(program), title],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert window.stdin is not None and window.stdout is not None
    while (line := window.stdout.readline().decode("utf-8", "replace").strip()) != "open":
        if line.startswith("error ") or not line:
            window.kill()
            window.wait()
            window.stdin.close()
            window.stdout.close()
            reason = line.removeprefix("error ") or "no window opens"
            raise OutputError(reason, hint=_INSTALL if "pygame" in reason else _HINT)
    return window
