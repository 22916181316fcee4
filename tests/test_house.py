"""``tools/house.py``: the package is as drawn, and each way not to be is seen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.house import faults, main

ROOT = Path(__file__).parent.parent
FACE = "from edge_segnet.rooms.hall import walk\n"


def build(folder: Path, files: dict[str, str]) -> Path:
    package = folder / "edge_segnet"
    for place, text in {"__init__.py": FACE, "rooms/__init__.py": "", "rooms/hall.py": "", **files}.items():
        (package / place).parent.mkdir(parents=True, exist_ok=True)
        (package / place).write_text(text)
    return package


def test_the_package_is_as_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert faults(ROOT / "edge_segnet") == []
    assert main(str(ROOT)) == 0 and "arrows between them" in capsys.readouterr().out


ATTIC = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import edge_segnet.cellar.box\n"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"loose.py": ""}, "loose.py: lies loose in edge_segnet/"),
        ({"cellar/box.py": "def open():\n    import cv2.dnn\n"}, "cellar/box.py: imports cv2, whose room is pictures/"),
        (
            {"rooms/hall.py": "from . import attic\n", "rooms/attic.py": "import edge_segnet.rooms.hall\n"},
            "a circle of files: edge_segnet.rooms.",
        ),
        ({"rooms/attic.py": ATTIC, "cellar/box.py": "from ..rooms.hall import walk\n"}, "a circle of rooms: "),
    ],
)
def test_what_is_not_as_drawn_is_said(tmp_path: Path, files: dict[str, str], said: str) -> None:
    (found,) = faults(build(tmp_path, files))
    assert found.startswith(said)


def test_a_package_that_hands_names_on_is_no_circle(tmp_path: Path) -> None:
    back = {"rooms/__init__.py": FACE, "rooms/hall.py": "from edge_segnet import rooms\n"}
    assert faults(build(tmp_path, back)) == []
    assert faults(build(tmp_path, {"pictures/files.py": "import cv2\n"})) == []


OPENERS = {"backends/model.py", "backends/race.py", "backends/reader.py", "backends/together.py"}
"""The opener, its race and its trial of batches, its process apart."""


def test_nobody_but_the_opener_opens_a_model() -> None:
    package = ROOT / "edge_segnet"
    calls = re.compile(r"\bcards\.load\(|(?<!class )\b(Onnx|OpenVino)Backend\(|card import .*\bload\b")
    found = {
        path.relative_to(package).as_posix() for path in package.rglob("*.py") if calls.search(path.read_text("utf-8"))
    }
    assert found == OPENERS
