"""``python -m benchmarks.page RUN.json``: the figures of one run into docs/performance.md, and of no other run."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- measured: python -m benchmarks.page -->", "<!-- end of what was measured -->"


def main() -> int:
    """Exit code 1 if the page has no place for it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN.json")
    arguments = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        print(f"{PAGE}: no place between {BEGIN} and {END}", file=sys.stderr)  # noqa: T201
        return 1
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    table = rendered(json.loads(arguments.run.read_text(encoding="utf-8")))
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{after}", encoding="utf-8")
    return 0


def rendered(document: dict[str, Any]) -> str:
    """The figures as a table; what was not measured, and what broke, below it."""
    lines = [f"One run, on {document['machine']}.", "", "| figure | measured | must | |", "|---|---|---|---|"]
    for figure in document["figures"]:
        bound = "" if figure["bound"] is None else f"{figure['sign']} {figure['bound']:g} {figure['unit']}"
        verdict = "" if figure["bound"] is None or figure["met"] else "**missed**"
        lines.append(f"| {figure['name']} | {figure['value']:.4g} {figure['unit']} | {bound} | {verdict} |")
    lacking = {**document["not_measured"], **document["broken"]}
    lines += ["", *(f"Not measured: `{name}`, {why}." for name, why in lacking.items())]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
