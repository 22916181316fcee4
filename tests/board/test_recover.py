"""The root helper: two things, for cameras only, so often a day; the kernel's and systemd's part is a folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge_segnet.board import recover
from edge_segnet.board.recover import Helper, ask
from tests.test_imports import loaded_after


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Helper:
    monkeypatch.setattr(recover, "DARK_S", 0.0)
    usb = tmp_path / "sys/bus/usb/devices"
    (usb / "1-1.2/1-1.2:1.0/video4linux/video0").mkdir(parents=True)
    (usb / "1-1.2/authorized").write_text("1")
    (usb / "1-3/1-3:1.0/net").mkdir(parents=True)
    (usb / "1-3/authorized").write_text("1")
    return Helper(
        tmp_path / "today.json", tmp_path, lambda command: 0 if command[-1] == "nvargus-daemon.service" else 1
    )


def test_what_is_allowed_is_done_and_counted(helper: Helper, tmp_path: Path) -> None:
    assert helper.serve("usb_reset 1-1.2 2\n") == "done"
    assert (tmp_path / "sys/bus/usb/devices/1-1.2/authorized").read_text() == "1"
    assert helper.serve("usb_reset 1-1.2 2") == "done"
    assert helper.serve("usb_reset 1-1.2 2") == "refused: usb_reset was done 2 times today"
    assert helper.serve("restart_argus 1") == "done", "each has its own budget"
    kept = json.loads((tmp_path / "today.json").read_text())
    assert (kept["usb_reset"], kept["restart_argus"]) == (2, 1)
    # Another day.
    (tmp_path / "today.json").write_text(json.dumps(kept | {"day": "2001-01-01"}))
    assert helper.serve("usb_reset 1-1.2 2") == "done"


@pytest.mark.parametrize(
    "request_",
    [
        "",
        "reboot",
        "usb_reset",
        "usb_reset ../1-1 3",
        "usb_reset 1-1.2 3; reboot",
        "restart_argus x",
        "usb_reset 1-1.2 -1",
        "usb_reset 1-1/../../x 3",
        "\0",
    ],
)
def test_anything_else_is_refused(helper: Helper, request_: str, tmp_path: Path) -> None:
    assert helper.serve(request_) == "refused: no request of ours"
    assert not (tmp_path / "today.json").exists()


def test_only_cameras_are_reset(helper: Helper, tmp_path: Path) -> None:
    assert helper.serve("usb_reset 1-3 3") == "refused: 1-3 has no camera"
    assert helper.serve("usb_reset 1-9 3") == "refused: 1-9 has no camera"
    assert (tmp_path / "sys/bus/usb/devices/1-3/authorized").read_text() == "1"


def test_a_damaged_budget_is_an_empty_one(helper: Helper, tmp_path: Path) -> None:
    for text in ("", "[]", "{", '{"day": 3}', "null"):
        (tmp_path / "today.json").write_text(text)
        assert helper.serve("restart_argus 1") == "done"


def test_the_whole_way(tmp_path: Path) -> None:
    """As systemd does it: a listening socket, and a process for each connection."""
    path = tmp_path / "socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            subprocess.run(
                [sys.executable, "-m", "edge_segnet.board.recover"],
                stdin=connection.fileno(),
                stdout=connection.fileno(),
                stderr=subprocess.DEVNULL,
                env=os.environ | {"STATE_DIRECTORY": str(tmp_path)},
                check=True,
                timeout=60,
            )

    thread = threading.Thread(target=serve)
    thread.start()
    assert ask("usb_reset", 3, "999-9", path) == "refused: 999-9 has no camera"
    thread.join()
    listener.close()


def test_without_a_helper(tmp_path: Path) -> None:
    assert "is edge-segnet-recover.socket enabled?" in ask("restart_argus", 3, path=tmp_path / "nobody")


def test_the_helper_loads_little() -> None:
    """It runs as root."""
    assert loaded_after("import edge_segnet.board.recover", ("numpy", "cv2", "pydantic", "yaml", "onnxruntime")) == []
