"""What a service writes shows people: nobody but its owner and group may read it. And where a user's state is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_segnet.core.files import state_folder

CODE = """
import os, sys
from pathlib import Path
from edge_segnet.core import files
os.umask(0o022)
files.keep_private()
folder = Path(sys.argv[1])
files.write_bytes(folder / "whole.jpg", b"picture")
(folder / "grown.mcap").write_bytes(b"pictures")
(folder / "day").mkdir()
files.write_bytes(folder / "asked.json", b"{}", 0o644)
"""


def test_files_of_a_service_are_not_world_readable(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CODE, str(tmp_path)], check=True, timeout=60)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"whole.jpg": 0o640, "grown.mcap": 0o640, "day": 0o750, "asked.json": 0o644}


@pytest.mark.skipif(os.geteuid() != 0, reason="for others the first folder is another")
def test_state_is_the_services_or_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}:/elsewhere")
    assert state_folder() == tmp_path
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("HOME", "/home/r2")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert state_folder() == Path("/var/lib/edge-segnet")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert state_folder() == Path("/home/r2/.local/state/edge-segnet")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "edge-segnet"
