"""Pages whose commands are tests: README.md and the walks in docs/."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.support.program import Program

NEEDS = re.compile(r"\s+# needs: (?P<what>.+)$")
MODULES = {
    "torch": ("torch",),
    "matplotlib": ("matplotlib",),
    "tensorrt-rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
}
"""What can be needed and still be here: any of these modules."""


def commands(page: Path) -> list[str]:
    """The shell lines of a page."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def missing(line: str) -> str:
    """What a line needs (``# needs: torch and tensorrt-rtx``) and this machine has not; empty: nothing."""
    needed = NEEDS.search(line)
    parts = needed["what"].split(" and ") if needed else []
    return " and ".join(part for part in parts if not any(map(importlib.util.find_spec, MODULES.get(part, ()))))


def run(line: str, folder: Path) -> None:
    """Run one command; a service must become ready, and end well when it is asked to."""
    command = line.partition("    #")[0]
    if command.startswith("edge-segnet run ") and "--check" not in command:
        _serve(command, folder)
        return
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def _serve(command: str, folder: Path) -> None:
    service = Program(shlex.split(command)[2:], {}, folder)
    try:
        service.wait_ready()
        service.end()
        assert service.process.returncode == 0, service.log
    finally:
        service.close()
