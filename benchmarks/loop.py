"""``make loop``: what the loop must reach, in one run and one table (40 minutes at most on two idle cores).

Labelling against bare loops, on this machine and on Ray; memory; kills; whether a worse model goes by itself
(``canary``); and whether picking pays (``circle``), whose budget the options change:
``make loop LOOP="--seeds 1 --minutes 1"``. ``--only NAME`` for some of the parts.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import canary, circle
from benchmarks.__main__ import Report, run

MODEL: Final = "segnet-lite"
PARTS: Final = ("label", "label-ray", "label-memory", "label-kills", "canary", "circle")


def main() -> int:
    """Exit code 7 if a bound is missed, 1 if a part is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop", description=__doc__)
    circle.add_options(parser)
    parser.add_argument("--only", choices=PARTS, action="append", metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--json", type=Path, metavar="FILE")
    told = parser.parse_args()
    logging.getLogger("edge_segnet").setLevel(logging.CRITICAL)
    report = Report()
    with tempfile.TemporaryDirectory() as place:
        for name in told.only or PARTS:
            folder = Path(place)
            if name == "circle":
                report.measure(name, lambda folder=folder: circle.run(folder, circle.budget_of(told)))  # type: ignore[misc]
            elif name == "canary":
                report.measure(name, lambda folder=folder: canary.run(MODEL, folder))  # type: ignore[misc]
            else:
                report.measure(name, lambda name=name, folder=folder: run(name, MODEL, folder))  # type: ignore[misc]
            if told.json is not None:
                report.write(told.json)  # after every part: what is measured is kept, whatever comes
    report.show()
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
