"""``make bench``: what can't be measured here is named, and what was measured is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, Report
from benchmarks.figure import Figure, Missing


def test_a_part_that_lacks_something_or_breaks_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacks(_model: str, _folder: Path) -> list[Figure]:
        raise Missing("no camera here")

    def skips(_model: str, _folder: Path) -> list[Figure]:
        pytest.skip("mosquitto is not installed")

    def imports(_model: str, _folder: Path) -> list[Figure]:
        raise ModuleNotFoundError("No module named 'gi'")

    def breaks(_model: str, _folder: Path) -> list[Figure]:
        raise ValueError("a bug")

    parts = {"lacks": lacks, "skips": skips, "imports": imports, "breaks": breaks}
    for name, part in {**parts, "works": lambda _model, _folder: [Figure("speed", 3.0, "x", 2.0)]}.items():
        monkeypatch.setitem(BENCHMARKS, name, part)
    report = Report()
    for name in ("lacks", "skips", "imports", "breaks", "works"):
        report.measure(name, "segnet-lite", tmp_path)
        report.write(tmp_path / "out" / "bench.json")
    written = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert [figure["name"] for figure in written["figures"]] == ["speed"]
    reasons = {"lacks": "no camera here", "skips": "mosquitto is not installed", "imports": "No module named 'gi'"}
    assert written["not_measured"] == reasons and written["broken"] == {"breaks": "ValueError: a bug"}
    assert report.exit_code == 1
    report.show()
    said = capsys.readouterr()
    assert "no camera here" in said.out and "skips: not measured, mosquitto is not installed" in said.err
