"""``python -m tests.fuzz [--cases N] [--seed N] [--seconds S] [--keep DIR] [NAME ...]``"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path

from tests.fuzz.harness import Report, fuzz
from tests.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--cases", type=int, default=10_000, help="of each target at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=math.inf, help="for all targets together")
    parser.add_argument("--keep", type=Path, help="leave the cases' files there")
    options = parser.parse_args()
    names = options.names or list(TARGETS)
    if unknown := set(names) - TARGETS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        reports = [_run(name, folder, options, len(names)) for name in names]
    faults = sum(often for report in reports for often, _ in report.faults.values())
    print(f"{sum(report.cases for report in reports)} cases, seed {options.seed}: {faults} faults")  # noqa: T201
    return 1 if faults else 0


def _run(name: str, folder: Path, options: argparse.Namespace, count: int) -> Report:
    report = fuzz(name, folder / name, cases=options.cases, seed=options.seed, limit_s=options.seconds / count)
    print(report.line(), flush=True)  # noqa: T201
    for what, (often, first) in sorted(report.faults.items(), key=lambda item: -item[1][0]):
        print(f"  {often:5d} x {what} (first: case {first})", flush=True)  # noqa: T201
    return report


if __name__ == "__main__":
    sys.exit(main())
