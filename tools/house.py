"""Is the house as docs/architecture.md draws it? Prints its figures; exit code 1, with the places, where it is not.

``python -m tools.house [FOLDER]`` at the project's root. Four rules, for every import there is, wherever it stands in a
file: nothing lies loose in the package's root; no circle of files; no circle of rooms; cv2 has one room, and the two
rooms and few files beside it that can't do without.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

PACKAGE: Final = "edge_segnet"
ROOT: Final = frozenset({"__init__.py", "__main__.py", "py.typed"})
PICTURES: Final = frozenset({"pictures", "street", "train"})
"""Rooms that may import cv2: the second draws, the third distorts."""
PICTURES_TOO: Final = frozenset(
    {"sources/opencv.py", "sources/child_camera.py", "sources/usb.py", "doctor/software.py"}
)
"""Files elsewhere that may: they read cameras with it, or ask which of its builds is installed."""
Graph = Mapping[str, set[str]]


@dataclass(frozen=True)
class File:
    """A module, and the full names that it imports."""

    name: str
    path: Path
    imports: frozenset[str]

    @property
    def is_face(self) -> bool:
        """A package's own ``__init__``: who imports it from outside, or what it hands on, is no way through a room."""
        return self.path.name == "__init__.py"


def read(package: Path) -> dict[str, File]:
    """Every module of a package, by its full name."""
    files = {}
    for path in sorted(package.rglob("*.py")):
        parts = list(path.relative_to(package.parent).with_suffix("").parts)
        base = parts[:-1]
        name = ".".join(base if path.name == "__init__.py" else parts)
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        files[name] = File(name, path, frozenset(_imported(tree, base)))
    return files


def _imported(tree: ast.Module, base: list[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            stem = [*base[: len(base) - node.level + 1]] if node.level else []
            stem += [node.module] if node.module else []
            yield from (".".join([*stem, alias.name]) for alias in node.names)


def between_files(files: Mapping[str, File]) -> dict[str, set[str]]:
    """Who imports whom; ``from package import module`` is an import of the module."""
    graph: dict[str, set[str]] = {}
    for name, file in files.items():
        targets = {known for target in file.imports if (known := _known(target, files)) is not None}
        graph[name] = {target for target in targets - {name} if file.is_face or not files[target].is_face}
    return graph


def _known(target: str, files: Mapping[str, File]) -> str | None:
    """The module that a name belongs to: ``a.b.function`` -> ``a.b``."""
    while target:
        if target in files:
            return target
        target = target.rpartition(".")[0]
    return None


def between_rooms(files: Mapping[str, File]) -> dict[str, set[str]]:
    """The same for the folders right under the package; the package's own face is in none."""
    graph: dict[str, set[str]] = {}
    for name, file in files.items():
        if (room := _room(name)) is not None:
            targets = {_room(known) for target in file.imports if (known := _known(target, files))}
            graph.setdefault(room, set()).update(target for target in targets if target not in (room, None))
    return {room: {target for target in targets if target in graph} for room, targets in graph.items()}


def _room(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else None


def circle(graph: Graph) -> list[str]:
    """The first way that leads back to where it began; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def faults(package: Path) -> list[str]:
    """What is not as drawn, a line each."""
    files = read(package)
    found = [f"{path.name}: lies loose in {package.name}/" for path in sorted(package.iterdir()) if _is_loose(path)]
    for what, graph in (("files", between_files(files)), ("rooms", between_rooms(files))):
        if way := circle(graph):
            found.append(f"a circle of {what}: {' -> '.join(way)}")
    for file in files.values():
        place = file.path.relative_to(package)
        allowed = place.parts[0] in PICTURES or place.as_posix() in PICTURES_TOO
        if not allowed and any(target.partition(".")[0] == "cv2" for target in file.imports):
            found.append(f"{place}: imports cv2, whose room is pictures/")
    return found


def _is_loose(path: Path) -> bool:
    return path.is_file() and path.name not in ROOT


def main(folder: str = ".") -> int:
    """Print what there is and what is wrong; 1 if anything is."""
    package = Path(folder) / PACKAGE
    files = read(package)
    rooms = between_rooms(files)
    lines = sum(bool(line.strip()) for file in files.values() for line in file.path.read_text("utf-8").splitlines())
    arrows = sum(map(len, rooms.values()))
    print(f"{len(files)} files, {lines} lines, {len(rooms)} rooms, {arrows} arrows between them")  # noqa: T201
    wrong = faults(package)
    for line in wrong:
        print(line, file=sys.stderr)  # noqa: T201
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
