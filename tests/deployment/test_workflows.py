"""The public workflows: what they call is here, what they use is pinned, nothing runs without an end."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40}  # v\d+(\.\d+)*$")
NIGHTLY = {"floor", "aarch64", "package", "ray", "faults", "soak", "vm", "fuzz"}


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return found


def lines() -> Iterator[str]:
    """Every line of shell in every workflow."""
    for path in WORKFLOWS:
        for job in jobs(path).values():
            yield from (line for step in job["steps"] for line in str(step.get("run", "")).splitlines())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_nothing_foreign_changes_by_itself_and_nothing_runs_for_ever(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    assert document["permissions"] == {"contents": "read"}
    uses = [line.strip().removeprefix("- ") for line in text.splitlines() if "uses:" in line]
    assert uses and [use for use in uses if not PINNED.fullmatch(use)] == []
    for name, job in document["jobs"].items():
        assert 0 < job["timeout-minutes"] <= 120, name
        checkouts = [step for step in job["steps"] if str(step.get("uses", "")).startswith("actions/checkout@")]
        assert [step["with"]["persist-credentials"] for step in checkouts] == [False], name


def test_what_they_call_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    called = [part.split() for line in lines() for part in re.split(r"&&|;", line)]
    verbs = [word for words in called if "make" in words for word in words[words.index("make") + 1 :]]
    targets = {verb for verb in verbs if re.fullmatch(r"[a-z]\w*", verb)}
    assert targets and [verb for verb in sorted(targets) if f"\n{verb}: " not in makefile] == []
    modes = {shlex.split(line)[2] for line in lines() if line.startswith("bash .ci/run ")}
    assert modes and [mode for mode in modes if f"= {mode} ]" not in script] == []


def test_all_that_takes_long_has_its_night() -> None:
    (nightly,) = [path for path in WORKFLOWS if path.stem == "nightly"]
    assert set(jobs(nightly)) >= NIGHTLY
