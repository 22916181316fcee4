"""The oldest versions that pyproject.toml allows, on the oldest Python, in an environment of their own: ``make floor``.

python -m tools.floor FOLDER [PYTEST ARGUMENTS]    makes the environment there, then runs the tests in it
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
OLDEST: Final = "3.10"
NOT_HERE: Final = ("gpu", "system", "docs")
"""Folders of tests/ that ask for other machines, or run every command of the README."""


def interpreter() -> str | None:
    """A Python 3.10, on the PATH or where pyenv keeps it."""
    found = shutil.which(f"python{OLDEST}")
    kept = sorted(Path.home().glob(f".pyenv/versions/{OLDEST}.*/bin/python{OLDEST}"))
    for path in [*kept, *([found] if found else [])]:
        done = subprocess.run([str(path), "-c", "import venv"], capture_output=True, check=False)
        if done.returncode == 0:
            return str(path)
    return None


def main() -> None:
    folder, more = Path(sys.argv[1]), sys.argv[2:]
    python = interpreter()
    if python is None:
        sys.exit(f"make floor needs Python {OLDEST}: apt install python{OLDEST}-venv, or pyenv install {OLDEST}")
    if not (folder / ".made").exists():
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
        subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", "uv"], check=True)
        # The package manager's own words for it: every direct requirement at its lower bound.
        uv = [str(folder / "bin/uv"), "pip", "install", "--python", str(folder / "bin/python"), "--quiet"]
        subprocess.run([*uv, "--resolution", "lowest-direct", "--editable", f"{ROOT}[test]"], check=True)
        (folder / ".made").touch()
    subprocess.run([folder / "bin/python", "-m", "pip", "list"], check=True)
    tests = [str(path) for path in sorted((ROOT / "tests").iterdir()) if path.is_dir() and path.name not in NOT_HERE]
    tests = [path for path in tests if list(Path(path).rglob("test_*.py"))]
    done = subprocess.run(
        [folder / "bin/python", "-m", "pytest", "-q", *(more or tests)], cwd=ROOT, env=dict(os.environ), check=False
    )
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
