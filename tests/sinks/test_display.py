"""The window on a real X server (Xvfb), with SDL; what is on the screen is read back from the server's memory."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.errors import OutputError
from edge_segnet.core.types import Drops, Frame, Result, Segmentation, Sink, View
from edge_segnet.sinks.display.panel import compose
from edge_segnet.sinks.display.sink import Display
from edge_segnet.street import Street
from tests.support.pictures import write_lut
from tests.support.program import program
from tests.support.waiting import wait_until

WAIT_S = 30.0
VIEW = View(CAMVID_11)
pytest.importorskip("pygame", reason="pygame-ce is not installed (extra: display)")


@lru_cache
def result(seed: int = 1, camera: str = "front") -> Result:
    """A rendered street with its own labels as result."""
    image, labels = Street((480, 360), seed).render(30)
    counts = np.bincount(labels.ravel(), minlength=12).astype(np.int64)
    stages = {"capture": 2.1, "network": 8.0, "decode": 0.2}
    frame = Frame(image, None, seed, 0, 0.0, camera, synthetic=True)
    return Result(
        frame,
        Segmentation(labels, counts, None, stages, classes=CAMVID_11),
        VIEW,
        "onnx",
        "segnet-lite",
        42.0,
        Drops(3),
    )


@dataclass
class Screen:
    """An X server; its picture is an XWD file that it keeps up to date."""

    number: str
    file: Path

    def picture(self) -> NDArray[np.uint8]:
        """uint8 [H,W,3] BGR. XWD: a header of big-endian words (size 0, width 4, height 5, bytes per line 12, colours
        19), 12 bytes per colour, then 32 bits a pixel.
        """
        data = self.file.read_bytes()
        head = struct.unpack(">25I", data[:100])
        pixels = np.frombuffer(data, np.uint8, head[12] * head[5], head[0] + 12 * head[19])
        return pixels.reshape(head[5], head[12] // 4, 4)[:, : head[4], :3]

    def press(self, key: str) -> None:
        """Press and release a key, as a keyboard would (XTEST)."""
        with self._x() as (x11, display):
            tests = ctypes.CDLL("libXtst.so.6")
            code = x11.XKeysymToKeycode(display, x11.XStringToKeysym(key.encode()))
            for down in (1, 0):
                tests.XTestFakeKeyEvent(display, code, down, ctypes.c_ulong(0))

    def close_windows(self) -> None:
        """Ask every window to close, as a window manager does (ICCCM 4.2.8.1)."""
        with self._x() as (x11, display):
            root, parent = ctypes.c_ulong(), ctypes.c_ulong()
            children, count = ctypes.POINTER(ctypes.c_ulong)(), ctypes.c_uint()
            x11.XQueryTree(
                display, x11.XDefaultRootWindow(display), *map(ctypes.byref, (root, parent, children, count))
            )
            protocols, delete = (x11.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
            for window in children[: count.value]:
                # XClientMessageEvent: type 33, serial, send_event, display, window, message_type, format 32, data
                event = struct.pack("@iLiPLLi5l96x", 33, 0, 1, 0, window, protocols, 32, delete, 0, 0, 0, 0)
                x11.XSendEvent(display, ctypes.c_ulong(window), 0, ctypes.c_long(0), event)

    @contextmanager
    def _x(self) -> Iterator[tuple[ctypes.CDLL, ctypes.c_void_p]]:
        x11 = ctypes.CDLL("libX11.so.6")
        x11.XOpenDisplay.restype = ctypes.c_void_p
        for function in (x11.XStringToKeysym, x11.XDefaultRootWindow, x11.XInternAtom):
            function.restype = ctypes.c_ulong
        x11.XKeysymToKeycode.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
        x11.XQueryTree.argtypes = [ctypes.c_void_p, ctypes.c_ulong, *[ctypes.c_void_p] * 4]
        display = ctypes.c_void_p(x11.XOpenDisplay(self.number.encode()))
        yield x11, display
        x11.XSync(display, 0)
        x11.XCloseDisplay(display)


@contextmanager
def x_server(folder: Path) -> Iterator[Screen]:
    """An X server without a screen; skips where there is none."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    reader, writer = os.pipe()
    size = ["-screen", "0", "1600x700x24"]
    command = ["Xvfb", "-displayfd", str(writer), *size, "-fbdir", str(folder), "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        with os.fdopen(reader) as said:
            number = said.readline().strip()
        assert number, "Xvfb did not start"
        yield Screen(f":{number}", folder / "Xvfb_screen0")
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    with x_server(tmp_path_factory.mktemp("screen")) as server:
        yield server


@pytest.fixture
def on_screen(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("DISPLAY", screen.number)
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return screen


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def shows(screen: Screen, wanted: NDArray[np.uint8]) -> bool:
    """Whether ``wanted`` stands pixel by pixel on the screen, somewhere."""
    seen, first = screen.picture(), wanted[0].tobytes()
    height, width = wanted.shape[:2]
    for y in range(seen.shape[0] - height + 1):
        x = seen[y].tobytes().find(first) // 3
        if x >= 0 and np.array_equal(seen[y : y + height, x : x + width], wanted):
            return True
    return False


def test_input_and_colours_stand_side_by_side_with_legend_and_times(on_screen: Screen) -> None:
    display = Display()
    try:
        assert isinstance(display, Sink)
        shown = result()
        display.publish(shown)
        wait_for(lambda: display.status()["shown"] == 1)
        panel = compose(shown, 0.0)
        assert panel.shape[1] > 960 and panel.shape[0] == 360 + 48
        wait_for(lambda: shows(on_screen, panel[:360]))  # but for the line that counts pictures per second
        np.testing.assert_array_equal(panel[:360, :480], shown.frame.image)
        np.testing.assert_array_equal(panel[:360, 480:960], CAMVID_11.lut_bgr[shown.segmentation.labels])
    finally:
        display.close()
    assert display.status()["state"] == "closed"


def quitting(on_quit: Callable[[], None]) -> Display:
    """A display that shows something, so that its window has its final size and the focus."""
    display = Display(on_quit=on_quit)
    display.publish(result())
    return display


@pytest.mark.parametrize("way", ["escape", "close"])
def test_escape_and_closing_quit_once(way: str, on_screen: Screen) -> None:
    calls: list[str] = []
    display = quitting(lambda: calls.append(threading.current_thread().name))
    wait_for(lambda: shows(on_screen, compose(result(), 0.0)[:360]))
    for _ in range(2):
        on_screen.press("Escape") if way == "escape" else on_screen.close_windows()
    wait_for(lambda: bool(calls))
    display.publish(result(2))
    wait_for(lambda: shows(on_screen, compose(result(2), 0.0)[:360]))
    display.close()
    display.close()
    assert calls == ["display-keys"]


def test_a_screen_that_goes_away_is_said_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    with x_server(tmp_path) as screen:
        monkeypatch.setenv("DISPLAY", screen.number)
        display = quitting(lambda: calls.append("quit"))
        wait_for(lambda: display.status()["shown"] == 1)
    wait_for(lambda: display.status()["state"] == "lost")
    for _ in range(3):
        display.publish(result())
    display.close()
    assert calls == []


def test_publish_never_waits_and_the_newest_wins(on_screen: Screen) -> None:
    """While the window's thread is held up, a thousand results cost next to nothing, and the last one is shown."""
    hold, held = threading.Event(), threading.Event()

    class Held(dict[str, float]):
        """Stage times that are not told at once."""

        def items(self) -> Any:
            held.set()
            assert hold.wait(WAIT_S)
            return super().items()

    display = Display()
    first, last = result(1), result(2)
    first = replace(first, segmentation=replace(first.segmentation, stages_ms=Held()))
    display.publish(first)
    assert held.wait(WAIT_S)
    started = time.process_time()
    for _ in range(1000):
        display.publish(first)
    display.publish(last)
    assert time.process_time() - started < 1.0
    hold.set()
    wait_for(lambda: shows(on_screen, compose(last, 0.0)[:360]))
    assert display.status()["shown"] == 2
    display.close()


def test_tab_goes_to_the_next_camera(on_screen: Screen) -> None:
    display = Display()
    front, rear = result(1, "front"), result(2, "rear")
    display.publish(front)
    display.publish(rear)
    wait_for(lambda: shows(on_screen, compose(front, 0.0)[:360]))
    on_screen.press("Tab")
    wait_for(lambda: shows(on_screen, compose(rear, 0.0)[:360]))
    assert display.status()["camera"] == "rear"
    display.close()


def test_no_screen_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OutputError, match="no screen for a window") as caught:
        Display()
    assert "dashboard" in str(caught.value)


def test_small_networks_are_enlarged() -> None:
    street = result()
    labels = np.ascontiguousarray(street.segmentation.labels[::6, ::6])
    frame = Frame(np.ascontiguousarray(street.frame.image[::6, ::6]), None, 0, 0, 0.0, "front")
    counts = np.bincount(labels.ravel(), minlength=12).astype(np.int64)
    small = Result(frame, Segmentation(labels, counts, None, {}, classes=CAMVID_11), VIEW, "onnx", "tiny", 1.0)
    assert compose(small, 9.0).shape[0] == 60 * 5 + 48


def test_the_demo_of_2015(on_screen: Screen, model: Path, tmp_path: Path) -> None:
    """``webcam_demo.py --model --weights --colours``: a window, the palette's colours, ESC ends."""
    green = CAMVID_11.lut_rgb
    green[3] = (1, 254, 1)
    write_lut(tmp_path / "mine.png", green)
    arguments = ("--model", model, "--colours", tmp_path / "mine.png", "--display")
    with program(*arguments, environment={"DISPLAY": on_screen.number}) as service:
        service.wait_ready()
        wait_until(lambda: (service.get("/api/status").json()["sinks"]["display"]["shown"]) > 2)
        road = next(entry for entry in service.get("/api/classes").json()["classes"] if entry["name"] == "Road")
        assert road["colour"] == [1, 254, 1]
        on_screen.press("Escape")
        service.process.wait(WAIT_S)
        assert service.process.returncode == 0, service.log


def test_a_window_without_a_screen_is_one_line(model: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-m", "edge_segnet", "run", "--model", str(model), "--display"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 4 and done.stderr.count("error: ") == 1, done.stderr
    assert "dashboard" in done.stderr and "Traceback" not in done.stderr


def test_a_damaged_picture_says_so() -> None:
    well = result()
    flagged = replace(well, frame=replace(well.frame, whole=False))
    changed = (compose(flagged, 0.0) != compose(well, 0.0)).any(2)
    assert changed[:360, 480:960].any() and not changed[:360, :480].any(), "the colours, not the camera's picture"
    assert changed[360:].any(), "the line below"
