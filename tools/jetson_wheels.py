"""Does the package install on a Jetson without a compiler? As far as that can be proven elsewhere: pip must find
wheels of every core dependency for the Python and C library of JetPack 6 and 7.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.metadata import requires
from pathlib import Path

JETPACKS = {"JetPack 6": ("3.10", 35), "JetPack 7": ("3.12", 39)}
"""Python and the minor version of glibc 2: Ubuntu 22.04 and 24.04."""


def platforms(glibc_minor: int) -> list[str]:
    """pip matches platform tags exactly, so every tag that the board can run is named."""
    tags = [f"manylinux_2_{minor}_aarch64" for minor in range(glibc_minor, 16, -1)]
    return [part for tag in [*tags, "manylinux2014_aarch64"] for part in ("--platform", tag)]


def main() -> int:
    """Download what each JetPack would install; pip's exit code tells."""
    dependencies = [line for line in requires("edge-segnet") or [] if "extra ==" not in line]
    for jetpack, (python, glibc_minor) in JETPACKS.items():
        with tempfile.TemporaryDirectory() as folder:
            target = ["--only-binary=:all:", "--python-version", python, "--implementation", "cp", "--dest", folder]
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
            done = subprocess.run([*pip, *target, *platforms(glibc_minor), *dependencies], check=False)
            wheels = sorted(path.name.split("-")[0] for path in Path(folder).glob("*.whl"))
        if done.returncode != 0:
            print(f"{jetpack} (Python {python}): not installable from wheels", file=sys.stderr)  # noqa: T201
            return 1
        print(f"{jetpack} (Python {python}, aarch64): {len(wheels)} wheels: {', '.join(wheels)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
