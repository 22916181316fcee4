"""The pages that are walks: every command of a page, in order, in a folder of its own, with a tiny budget."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.pages import commands, missing, run

DOCS = Path(__file__).parents[2] / "docs"
TINY = (
    (re.compile(r"--rendered \d+"), "--rendered 8"),
    (re.compile(r"--minutes \d+"), "--epochs 1 --batch 4"),
    (re.compile(r"--size \d+x\d+"), "--size 96x64"),
    (re.compile(r"--crop \d+x\d+"), "--crop 96x64"),
    (re.compile(r"synthetic://drive"), "synthetic://drive?fps=5"),
    (re.compile(r'--gate "[^"]*"'), '--gate "mean_iou >= -100"'),
)
"""The walks are about the way, not about how far a model gets."""


@pytest.mark.parametrize("page", ["own-data.md", "demystified.md", "loop.md"])
def test_every_step_of_the_page_works(page: str, tmp_path: Path) -> None:
    left_out = []
    for line in commands(DOCS / page):
        if what := missing(line):
            left_out.append(what)
            continue
        for pattern, small in TINY:
            line = pattern.sub(small, line)
        run(line, tmp_path)
    if left_out:
        pytest.skip(f"{len(left_out)} steps of {page} were left out: {', '.join(dict.fromkeys(left_out))}")


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_and_pictures_of_the_page_exist(page: str) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", (DOCS / page).read_text(encoding="utf-8"))
    assert [link for link in links if not (DOCS / link).exists()] == []
