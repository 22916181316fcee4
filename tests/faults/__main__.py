"""``python -m tests.faults [--write docs/reliability.md] [NUMBER ...]``: inflict the faults, print the table."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

from tests.faults.table import FAULTS, Fault

ROOT: Final = Path(__file__).parents[2]
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
HEAD: Final = "| # | fault | what must be | tests | seen | lost | verdict |\n|---|---|---|---|---|---|---|\n"


class Watcher:
    """What became of every test, and what it told."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.told: dict[str, dict[str, str]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.removeprefix("tests/")
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[name] = report.outcome
        self.told[name] |= {key: str(value) for key, value in report.user_properties}


def of(fault: Fault, names: list[str]) -> list[str]:
    """The tests of a row."""
    return [name for name in names if any(name.startswith(start) for start in fault.tests)]


def row(fault: Fault, watcher: Watcher) -> str:
    """A line of the table."""
    names = of(fault, list(watcher.outcomes))
    outcomes = [watcher.outcomes[name] for name in names]
    failed = [name.rpartition("::")[2] for name in names if watcher.outcomes[name] == "failed"]
    skipped, passed = outcomes.count("skipped"), outcomes.count("passed")
    told = {key: text for name in names for key, text in watcher.told[name].items()}
    verdict = "**failed**: " + ", ".join(failed) if failed else "survived" if passed else "not tried here"
    count = f"{passed}" + (f" ({skipped} skipped)" if skipped else "")
    seen, lost = told.get("seen", "as it must be" if passed else "–"), told.get("lost", "nothing" if passed else "–")
    if failed:
        seen, lost = told.get("seen", "–"), "not known"
    return f"| {fault.number} | {fault.what} | {fault.wanted} | {count} | {seen} | {lost} | {verdict} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER", help="of the table; left out: all")
    parser.add_argument("--write", type=Path, help="put the table into this page")
    options = parser.parse_args()
    os.environ.setdefault("EDGE_SEGNET_KILLS", "50")
    wanted = [fault for fault in FAULTS if not options.numbers or fault.number in options.numbers]
    files = sorted({f"tests/{start.partition('::')[0]}" for fault in wanted for start in fault.tests})
    watcher = Watcher()
    chosen = Chosen([start for fault in wanted for start in fault.tests])
    pytest.main(["-q", "-p", "no:cacheprovider", "--no-header", *files], plugins=[watcher, chosen])
    rows = {fault.number: row(fault, watcher) for fault in wanted}
    print(f"\n{HEAD}" + "\n".join(rows.values()))  # noqa: T201
    if options.write is not None:
        write(options.write, rows)
    return 0 if all(survived(text) for text in rows.values()) else 1


def write(page: Path, rows: dict[int, str]) -> None:
    """Put rows into a page's table; those that were not tried now stay."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    old, _, after = rest.partition(END)
    kept = {int(match[1]): match[0] for match in re.finditer(r"(?m)^\| (\d+) \|.*$", old)}
    lines = [text for _, text in sorted((kept | rows).items())]
    table = HEAD + "\n".join(lines) + f"\n\n{sum(map(survived, lines))} of {len(lines)} survived.\n"
    page.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{after}", encoding="utf-8")


def survived(line: str) -> bool:
    return line.endswith("| survived |")


class Chosen:
    """Leaves out what no row names."""

    def __init__(self, starts: list[str]) -> None:
        self._starts = starts

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        def named(item: pytest.Item) -> bool:
            return any(item.nodeid.removeprefix("tests/").startswith(start) for start in self._starts)

        left = [item for item in items if not named(item)]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if named(item)]


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
