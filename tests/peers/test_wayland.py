"""The window on a Wayland desktop: Weston, whose own screen is a window of Xvfb, so that its pixels can be read."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_segnet.sinks.display.panel import compose
from edge_segnet.sinks.display.sink import Display
from tests.peers.places import program_of
from tests.sinks.test_display import Screen, result, shows, wait_for, x_server
from tests.support.waiting import wait_until


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    weston, run = program_of("weston", "weston"), tmp_path / "run"
    run.mkdir(mode=0o700)
    (tmp_path / "weston.ini").write_text(
        "[shell]\npanel-position=none\nlocking=false\nanimation=none\nstartup-animation=none\n"
    )
    (tmp_path / "screen").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    with x_server(tmp_path / "screen") as screen:
        monkeypatch.setenv("DISPLAY", screen.number)
        command = [weston, "--backend=x11-backend.so", "--use-pixman", "--width=1600", "--height=700", "--idle-time=0"]
        command += ["--socket=desk", f"--config={tmp_path}/weston.ini"]
        with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                wait_until(lambda: (run / "desk").exists() or process.poll() is not None)
                assert process.poll() is None, (tmp_path / "log").read_text()
                monkeypatch.delenv("DISPLAY")
                monkeypatch.setenv("WAYLAND_DISPLAY", "desk")
                monkeypatch.setenv("SDL_VIDEODRIVER", "wayland")
                yield screen
            finally:
                process.kill()


def test_the_window_of_a_wayland_desktop(desktop: Screen) -> None:
    """Shown pixel by pixel, and Escape quits."""
    calls: list[str] = []
    display = Display(on_quit=lambda: calls.append("quit"))
    try:
        display.publish(result())
        wait_for(lambda: display.status()["shown"] == 1)
        wait_for(lambda: shows(desktop, compose(result(), 0.0)[:360]))
        wait_for(lambda: (desktop.press("Escape"), bool(calls))[1])  # type: ignore[func-returns-value]
    finally:
        display.close()
    assert display.status()["state"] == "closed"
