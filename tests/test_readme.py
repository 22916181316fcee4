"""Every command in the README is run, in order, in one folder that has the files which it names."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from edge_segnet.imaging import write_image
from edge_segnet.outputs import video_file
from edge_segnet.sources.street import Street
from tests.program import Program

README = Path(__file__).parent.parent / "README.md"
NEEDS = re.compile(r"\s+# needs: (?P<what>.+)$")
MODULES = {
    "torch": ("torch",),
    "matplotlib": ("matplotlib",),
    "tensorrt-rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
}
"""What can be needed and still be here: any of these modules."""
SET_UP = re.compile(r"^(make|pip) ")
"""Run by .ci/run itself; inside a test they would rebuild the environment that they run in."""


def _commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("readme")
    scene = Street(seed=1)
    with video_file(root / "drive.mp4", 30.0) as writer:
        for number in range(12):
            image, labels = scene.render(20 * number)
            writer.write(number, image)
            write_image(root / "frames" / f"{number:02d}.jpg", image)
            write_image(root / "truth" / f"{number:02d}.png", labels)
    write_image(root / "photo.jpg", scene.render(99)[0])
    return root


@pytest.mark.parametrize("line", _commands())
def test_command(line: str, folder: Path) -> None:
    needed = NEEDS.search(line)
    command = line.split("    #")[0]
    if SET_UP.match(command):
        pytest.skip(f"{command}: set-up, which .ci/run does")
    if needed and not any(map(importlib.util.find_spec, MODULES.get(needed["what"], ()))):
        pytest.skip(f"{command}: needs {needed['what']}")
    if command.startswith("edge-segnet run ") and "--check" not in command:
        _serve(command, folder)
        return
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _serve(command: str, folder: Path) -> None:
    """A service does not end by itself: it must become ready, and end well when it is asked to."""
    service = Program(shlex.split(command)[2:], {}, folder)
    try:
        service.wait_ready()
        service.end()
        assert service.process.returncode == 0, service.log
    finally:
        service.close()


def test_files_that_the_readme_links_to_exist() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []
