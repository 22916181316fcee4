"""docs/architecture.md draws what stands: the rooms, their order, and the places that it names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "edge_segnet"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_room_is_in_the_table_and_in_the_drawing() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and not path.name.startswith("__")}
    assert set(re.findall(r"^\| `(\w+)/` \|", PAGE, re.MULTILINE)) == rooms
    drawing = re.search(r"don't see each other:\n\n((?:    [a-z ]+\n)+)", PAGE)
    assert drawing is not None
    assert set(drawing[1].split()) == rooms - {"models"}


def test_the_drawing_is_the_contract() -> None:
    tomllib: Any = pytest.importorskip("tomllib", reason="Python 3.10 has no tomllib")
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (house,) = [contract for contract in contracts if contract.get("containers") == ["edge_segnet"]]
    drawing = re.search(r"don't see each other:\n\n((?:    [a-z ]+\n)+)", PAGE)
    assert drawing is not None
    drawn = [set(line.split()) for line in drawing[1].splitlines()]
    assert drawn == [set(layer.split(" | ")) for layer in house["layers"] if layer != "__main__"]


def test_the_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"`((?:[a-z0-9_]+/)+[a-z_]+\.(?:py|cu))`", PAGE))
    assert len(named) > 15
    assert [name for name in sorted(named) if not any((base / name).exists() for base in bases())] == []


def bases() -> list[Path]:
    """A page may leave out the room that a section is about."""
    return [ROOT, PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir())]
