"""Our wheel, and those that it needs, for a Python that need not be this one."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.system.root import PROJECT, WORK

EXTRAS: Final = "mqtt,recording"
"""What a package brings beside the core; foxglove comes with recording."""
GLIBC: Final = ("2_35", "2_34", "2_31", "2_28", "2_27", "2_26", "2_24", "2_17", "2_12", "2_5")
"""Of manylinux tags: Ubuntu 22.04, which is JetPack 6, has 2.35."""
LEGACY: Final = ("manylinux2014", "manylinux2010", "manylinux1")


def pip(*words: str | Path) -> None:
    """This environment's pip; raises CalledProcessError."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, words)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def build() -> Path:
    """Our own wheel, from a copy of the checkout, since setuptools leaves things where it builds."""
    folder = WORK / "dist"
    copy = WORK / "tmp" / "source"
    for place in (folder, copy):
        shutil.rmtree(place, ignore_errors=True)
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "out", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", "engines"
    )
    shutil.copytree(PROJECT, copy, ignore=ignored)
    pip("wheel", "--no-deps", "--wheel-dir", folder, copy)
    shutil.rmtree(copy)
    (wheel,) = folder.glob("*.whl")
    return wheel


def download(wheel: Path, python: str, machine: str, more: tuple[str, ...] = ()) -> Path:
    """A folder with the wheels that ``wheel`` needs, cached by what it asks for.

    Args:
        python: "3.11".
        machine: as in the names of wheels, "x86_64" or "aarch64".
        more: further requirements.
    """
    asked = f"{_requirements(wheel)} {python} {machine} {EXTRAS} {more}"
    folder = WORK / f"wheels-{python}-{machine}-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"
    if (folder / ".made").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    pip("download", "--dest", folder, *_platform(python, machine), f"{wheel}[{EXTRAS}]", *more)
    for ours in folder.glob("edge_segnet-*.whl"):
        ours.unlink()
    (folder / ".made").touch()
    return folder


def unpack(files: list[Path], folder: Path, python: str, machine: str) -> None:
    """Install wheels into a folder, for a Python and a processor that need not be here."""
    pip("install", "--target", folder, "--no-deps", "--no-compile", "--no-index", *_platform(python, machine), *files)


def _platform(python: str, machine: str) -> list[str]:
    number = python.replace(".", "")
    tags = [f"manylinux_{glibc}_{machine}" for glibc in GLIBC] + [f"{name}_{machine}" for name in LEGACY]
    words = [word for tag in [*tags, f"linux_{machine}"] for word in ("--platform", tag)]
    words += ["--python-version", python, "--implementation", "cp", "--abi", f"cp{number}"]
    return [*words, "--abi", "abi3", "--abi", "none", "--only-binary=:all:"]


def _requirements(wheel: Path) -> str:
    import zipfile

    with zipfile.ZipFile(wheel) as file:
        name = next(name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        lines = file.read(name).decode().splitlines()
    return "\n".join(line for line in lines if line.startswith("Requires-Dist"))
