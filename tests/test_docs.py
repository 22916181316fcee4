"""The pages that are walks: every command of a page, in order, in a folder of its own, with a tiny budget."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import Program

DOCS = Path(__file__).parent.parent / "docs"
TINY = (
    (re.compile(r"--rendered \d+"), "--rendered 8"),
    (re.compile(r"--minutes \d+"), "--epochs 1 --batch 4"),
    (re.compile(r"--size \d+x\d+"), "--size 96x64"),
    (re.compile(r"synthetic://drive"), "synthetic://drive?fps=5"),
)
"""The walks are about the way, not about how far a model gets."""
TO_COME = {"own-data.md": ("build-engine",)}
"""Steps that the issue asks for and the program doesn't have yet: the page keeps a place for them."""


def commands(page: str) -> list[str]:
    """The shell lines of a page."""
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("page", ["own-data.md", "demystified.md"])
def test_every_step_of_the_page_works(page: str, tmp_path: Path) -> None:
    skipped = []
    for line in commands(page):
        command, _, note = line.partition("    #")
        if "needs: torch" in note and importlib.util.find_spec("torch") is None:
            skipped.append(command)
            continue
        for pattern, small in TINY:
            command = pattern.sub(small, command)
        if command.startswith("edge-segnet run "):
            _serve(command, tmp_path)
        else:
            _run(command, tmp_path)
    if skipped:
        pytest.skip(f"torch is not installed: {len(skipped)} steps of {page} were left out")


def _run(command: str, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
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


@pytest.mark.parametrize(("page", "step"), [(page, step) for page, steps in TO_COME.items() for step in steps])
def test_a_step_that_is_still_to_come_has_its_place_and_leaves_it_when_it_comes(page: str, step: str) -> None:
    """Fails as soon as the command exists: then the step belongs on the page, and out of ``TO_COME``."""
    known = subprocess.run(
        [sys.executable, "-m", "edge_segnet", "--help"], capture_output=True, text=True, check=True
    ).stdout
    text = (DOCS / page).read_text(encoding="utf-8")
    assert f"<!-- STEP {step}:" in text and not any(f"edge-segnet {step}" in line for line in commands(page))
    assert step not in known, f"'{step}' exists now: write its step into {page} and take it out of TO_COME"


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_and_pictures_of_the_page_exist(page: str) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", (DOCS / page).read_text(encoding="utf-8"))
    assert [link for link in links if not (DOCS / link).exists()] == []
