"""``python -m tools.reference_shares DIR``: the table of ``edge_segnet/data/labels/shift.py``, measured on a set with
CamVid's 11 classes (0..10, void 11): which share of all pixels has which class in which eighth of the picture's height.
"""

from __future__ import annotations

import sys
from pathlib import Path

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.data.labels.survey import survey, work_list
from edge_segnet.data.pairs import find_splits, match


def main() -> None:
    """Prints one row per class, in hundred-thousandths."""
    work = [job for split in find_splits(Path(sys.argv[1])) for job in work_list(split.name, match(split)[0], False)]
    total = sum(facts.bands for facts in survey(work, CAMVID_11))
    for index, name in enumerate([*CAMVID_11.names, "void"]):
        row = (1e5 * total[:, index] / total.sum()).round().astype(int)
        print(f'    "{name.lower()}": ({", ".join(map(str, row))}),')  # noqa: T201
    print(f"# {len(work)} label images")  # noqa: T201


if __name__ == "__main__":
    main()
