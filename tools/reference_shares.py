"""``python -m tools.reference_shares DIR``: the tables of ``data/labels/shift.py`` and ``swap.py``, measured on a set
with CamVid's 11 classes (0..10, void 11): which share of all pixels has which class in which eighth of the picture's
height, and which classes lie below, above and beside each.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.data.labels.findings import Dataset
from edge_segnet.data.labels.survey import survey, work_list
from edge_segnet.data.pairs import find_splits, match


def main() -> None:
    """Prints one row per class, in hundred-thousandths; then three, in thousandths of its borders."""
    work = [job for split in find_splits(Path(sys.argv[1])) for job in work_list(split.name, match(split)[0], False)]
    data = Dataset(CAMVID_11, CAMVID_11.void, survey(work, CAMVID_11))
    total, names = data.bands, [*CAMVID_11.names, "void"]
    for index, name in enumerate(names):
        row = (1e5 * total[:, index] / total.sum()).round().astype(int)
        print(f'    "{name.lower()}": ({", ".join(map(str, row))}),')  # noqa: T201
    above, beside = data.borders[0], data.borders[1] + data.borders[1].T
    for index, name in enumerate(names[:-1]):
        table = np.stack([above[index], above[:, index], beside[index]])[:, : len(names)]
        print(f'    "{name.lower()}": (')  # noqa: T201
        for row in (1e3 * table / table.sum()).round().astype(int):
            print(f"        ({', '.join(map(str, row))}),")  # noqa: T201
        print("    ),")  # noqa: T201
    print(f"# {len(work)} label images")  # noqa: T201


if __name__ == "__main__":
    main()
