"""The program itself: help and version, signals, terminals, pipes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import picture, read_video, write_video

PROGRAM = (sys.executable, "-m", "edge_segnet")
TIMEOUT_S = 60


def run(*arguments: str | Path, columns: int = 80) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": str(columns)}
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=TIMEOUT_S, check=False)


@pytest.mark.parametrize("command", [[], ["segment"], ["evaluate"], ["convert"], ["doctor"]])
def test_help_fits_a_terminal(command: list[str]) -> None:
    done = run(*command, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    assert "Usage: edge-segnet" in done.stdout


def test_help_names_every_exit_code() -> None:
    text = " ".join(run("--help").stdout.split())
    for code in ("0 done", "1 a bug", "2 usage", "3 model", "4 input", "5 some", "6 GPU", "7 a budget", "130 and 143"):
        assert code in text
    assert run().stdout == run("--help").stdout


def test_version() -> None:
    done = run("--version")
    assert done.returncode == 0 and done.stdout.startswith("edge-segnet 0.")


def test_unknown_commands_are_one_line() -> None:
    done = run("sgment")
    assert done.returncode == 2
    assert done.stderr.startswith("edge-segnet: error: No such command 'sgment'")
    assert done.stderr.count("\n") == 1


def started(model: Path, video: Path, *options: str | Path) -> subprocess.Popen[str]:
    """A long run that has written some frames already, and waits for its reader."""
    command = [*PROGRAM, "segment", str(video), "-m", str(model), "--json", "-", *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(5):
        assert json.loads(process.stdout.readline())["seq"] >= 0
    return process


@pytest.fixture
def long_video(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return write_video(folder / "long.mp4", 600, size=(64, 48))


def test_ctrl_c_finishes_the_video(model: Path, long_video: Path, tmp_path: Path) -> None:
    process = started(model, long_video, "-o", tmp_path / "out/x.mp4")
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".mp4"]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x.mp4"]
    last = json.loads(out.splitlines()[-1])["summary"]
    assert last["interrupted"] and 5 <= last["frames"] < 600
    assert len(read_video(tmp_path / "out/x.mp4")[0]) == last["frames"]
    assert "Traceback" not in err and all(line.startswith("edge-segnet: ") for line in err.splitlines()), err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_ended_leaves_nothing_half_written(
    model: Path, long_video: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = started(model, long_video, "-o", tmp_path / "out/x.mp4")
    process.send_signal(number)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 128 + number, err
    assert list((tmp_path / "out").iterdir()) == []
    assert "Traceback" not in err and "error" not in err


def test_a_reader_that_leaves(model: Path, long_video: Path, tmp_path: Path) -> None:
    process = started(model, long_video, "-o", tmp_path / "out/x.mp4")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(TIMEOUT_S) == 141, err
    process.stderr.close()
    assert list((tmp_path / "out").iterdir()) == []
    assert "Traceback" not in err and "error" not in err and "Exception" not in err


def on_a_terminal(command: Sequence[str], columns: int = 80) -> tuple[int, str]:
    """Exit code, and what a terminal would have got on standard error."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
    environment["TERM"] = "xterm"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=environment)
    os.close(theirs)
    got = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says EIO when the other side has closed
            break
        if not part:
            break
        got += part
    os.close(ours)
    return process.wait(TIMEOUT_S), got.decode()


def test_a_progress_bar_on_a_terminal_only(model: Path, video: Path, tmp_path: Path) -> None:
    command = [*PROGRAM, "segment", str(video), "-m", str(model), "-o", str(tmp_path / "x.mp4")]
    code, shown = on_a_terminal(command)
    assert code == 0
    assert "drive.mp4" in shown and "/12" in shown and "━" in shown
    assert f"{video} -> " in shown.replace("\r\n", "")
    plain = run(*command[3:])
    assert plain.returncode == 0
    assert "━" not in plain.stderr and "\x1b" not in plain.stderr


def test_log_lines_pass_above_the_bar(model: Path, frames: Path, tmp_path: Path) -> None:
    (frames / "b.jpg").write_bytes(b"")
    code, shown = on_a_terminal([*PROGRAM, "segment", str(frames), "-m", str(model), "-o", str(tmp_path / "out")], 200)
    assert code == 5
    lines = [line for line in shown.replace("\r", "\n").splitlines() if "skipped" in line]
    assert len(lines) == 1 and lines[0].removeprefix("\x1b[2K").startswith("edge-segnet: skipped "), lines


def test_damaged_files_make_no_noise_on_the_real_descriptor(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    for suffix in (".png", ".jpg", ".webp", ".tif", ".bmp"):
        data = bytearray(cv2.imencode(suffix, picture(200, 150))[1].tobytes())
        for at in range(200, len(data) - 200, 97):
            data[at] ^= 0xA5
        (folder / f"x{suffix}").write_bytes(data)
    cut = write_video(tmp_path / "cut.mkv", 30)
    cut.write_bytes(cut.read_bytes()[:-2000])
    done = run("segment", folder, cut, "-m", model, "-o", tmp_path / "out")
    assert done.returncode in (0, 5), done.stderr
    assert all(line.startswith("edge-segnet: ") for line in done.stderr.splitlines()), done.stderr


def test_a_terminal_that_knows_no_utf8_gets_its_answer(tmp_path: Path) -> None:
    labels = tmp_path / "étiquettes"
    labels.mkdir()
    cv2.imwrite(str(labels / "ü.png"), np.zeros((20, 30), np.uint8))
    (tmp_path / "classes.yaml").write_text(
        "name: hôf\nclasses: [{name: Straße, colour: [1, 2, 3]}, {name: Weg, colour: [4, 5, 6]}]\n", encoding="utf-8"
    )
    plain = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for arguments in (
        ["labels", "inspect", str(labels), "--classes", str(tmp_path / "classes.yaml"), "--each"],
        ["labels", "lint", str(labels), "--classes", str(tmp_path / "classes.yaml")],
        ["doctor"],
    ):
        done = subprocess.run([*PROGRAM, *arguments], capture_output=True, env=plain, timeout=TIMEOUT_S, check=False)
        assert b"Traceback" not in done.stderr and done.returncode in (0, 5, 7), done.stderr
        assert done.stdout


@pytest.mark.parametrize("option", ["--config", "--colours"])
def test_pipes_and_devices_are_no_files(tmp_path: Path, option: str) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        done = run("run", option, path)
        assert done.returncode in (2, 4) and "a pipe or a device, not a file" in done.stderr, done.stderr


@pytest.mark.parametrize(
    "arguments", [["segment", "-o", "x.png"], ["evaluate"], ["labels", "lint"], ["bench", "--budget"]]
)
def test_no_command_waits_for_a_pipe(tmp_path: Path, arguments: list[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = run(*arguments, pipe)
    assert done.returncode in (2, 3, 4) and done.stderr.count("edge-segnet: error: ") == 1, done.stderr
