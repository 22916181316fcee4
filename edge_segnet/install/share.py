"""Files that come with the program beside its code: units, example settings, dashboards, papers.

In a checkout they lie at its top. A wheel has them in ``edge_segnet/share`` (setup.py maps them there).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from edge_segnet.core.errors import UsageError

PACKAGE: Final = Path(__file__).parents[1]
FOLDERS: Final = ("systemd", "configs", "dashboards")


def folder(name: str) -> Path:
    """``systemd``, ``configs`` or ``dashboards``; raises UsageError where an installation lacks it."""
    installed = PACKAGE / "share" / name
    if installed.is_dir():
        return installed
    checkout = PACKAGE.parent / ("docs" if name == "dashboards" else name)
    if (PACKAGE.parent / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout
    raise UsageError(f"{installed} is not there: this installation is incomplete", hint="install its wheel again")


def examples() -> dict[str, Path]:
    """Example settings by name."""
    return {path.stem: path for path in sorted(folder("configs").glob("*.yaml"))}


def example(name: str) -> str:
    """The text of an example; raises UsageError that lists them."""
    known = examples()
    if name not in known:
        raise UsageError(f"{name}: no such example", hint=f"one of: {', '.join(known)}")
    return known[name].read_text(encoding="utf-8")


def files(name: str) -> list[Path]:
    """All files of a folder that go with the program."""
    top = folder(name)
    if name == "dashboards":
        return [path for path in sorted(top.iterdir()) if path.name in DASHBOARDS]
    return sorted(path for path in top.rglob("*") if path.is_file())


DASHBOARDS: Final = ("grafana-dashboard.json", "foxglove-layout.json")
