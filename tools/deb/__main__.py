"""python -m tools.deb [--python 3.11] [--arch amd64|arm64] [--quick] [--out dist]

Exit code 7: the package is larger than promised.
"""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

from tools.deb.build import MACHINES, Wanted, build, too_large


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.deb")
    here = next((arch for arch, machine in MACHINES.items() if machine == platform.machine()), "amd64")
    parser.add_argument("--python", default="{}.{}".format(*sys.version_info), help="JetPack 6: 3.10, Debian 12: 3.11")
    parser.add_argument("--arch", choices=MACHINES, default=here)
    parser.add_argument("--quick", action="store_true", help="compress less: for trying it out")
    parser.add_argument("--out", type=Path, default=Path("dist"))
    given = parser.parse_args()
    wanted = Wanted(given.python, given.arch, *(("zstd", 1) if given.quick else ("xz", 6)))
    package = build(wanted, given.out)
    sys.stdout.write(f"{package}  {package.stat().st_size / 1e6:.0f} MB\n")
    if why := too_large(package, compressed=not given.quick):
        sys.stderr.write(f"{package}: {why}: what is new in it? see docs/service.md for what takes the room\n")
        sys.exit(7)


if __name__ == "__main__":
    main()
