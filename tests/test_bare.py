"""``tools/bare.py``: finds the tests that call programs, and gives them a PATH with nothing but the few."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import calls
from tests.support.command import edge_segnet
from tools.bare import bare_path

ROOT = Path(__file__).parents[1]
TESTS = """import shutil, subprocess, sys, pytest

def test_starts(): subprocess.run(["true"], check=True)

def test_looks(): assert shutil.which("env")

@pytest.fixture
def tool(): return shutil.which("env")

def test_through_a_fixture(tool): assert tool

def test_our_own(): subprocess.run([sys.executable, "-c", "pass", "doctor"], check=True)

def test_a_page(): subprocess.run(["bash", "-c", "edge-segnet --version || true"], check=True)

def test_a_page_that_calls(): subprocess.run(["bash", "-c", "edge-segnet doctor --help || true"], check=True)

def test_python(): subprocess.run([sys.executable, "-c", "pass"], check=True)

def test_nothing(): pass
"""
CALLING = ["test_a_page_that_calls", "test_looks", "test_our_own", "test_starts", "test_through_a_fixture"]


def test_the_bare_path_has_a_shell_and_no_broker(tmp_path: Path) -> None:
    path = str(bare_path(tmp_path))
    assert all(shutil.which(name, path=path) for name in ("sh", "cat", "env", "python3"))
    assert not any(
        shutil.which(name, path=path) for name in ("mosquitto", "openssl", "git", "g++", "systemctl", "ffmpeg")
    )


def run(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "pytest", "-c", "pytest.ini", "-p", "tests.conftest", "-v", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_called_a_program_is_run_again_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\nmarkers = alone\n")
    (tmp_path / "test_eight.py").write_text(TESTS)
    assert "8 passed" in run(tmp_path, "--calling", "-n", "2")  # nothing is known yet, and nothing is noted
    assert "8 passed" in run(tmp_path)
    noted = json.loads((tmp_path / ".pytest_cache" / "v" / calls.KEY).read_text())
    assert [name.partition("::")[2] for name in noted] == CALLING
    assert calls.files(tmp_path) == ["test_eight.py"] and calls.files(tmp_path / "elsewhere") == []
    run(tmp_path, "-n", "1", "-k", "nothing")
    assert "5 passed, 3 deselected" in run(tmp_path, "--calling")


def test_commands_of_ours_that_call_programs_are_noted() -> None:
    calls.taken()
    edge_segnet("doctor", "--help")
    assert calls.taken() == ["doctor"]
    edge_segnet("segment", "--help")
    assert calls.taken() == []
