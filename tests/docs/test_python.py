"""The Python examples of README.md and docs/python.md run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge_segnet.pictures.files import write_image
from edge_segnet.pictures.video import video_file
from edge_segnet.street import Street

ROOT = Path(__file__).parents[2]
EXAMPLES = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in (ROOT / "README.md", ROOT / "docs" / "python.md")
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
]


def test_there_are_examples() -> None:
    assert {str(example.id).rpartition("-")[0] for example in EXAMPLES} == {"README.md", "python.md"}


@pytest.mark.parametrize("code", EXAMPLES)
def test_example(code: str, tmp_path: Path) -> None:
    scene = Street(seed=1)
    write_image(tmp_path / "photo.jpg", scene.render(99)[0])
    with video_file(tmp_path / "drive.mp4", 30.0) as writer:
        for number in range(3):
            writer.write(number, scene.render(20 * number)[0])
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Road" in done.stdout or "road" in done.stdout
