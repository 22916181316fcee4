"""``make bench``: what can't be measured here is named, and what was measured is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks
from benchmarks.__main__ import PARTS, Report
from benchmarks.figure import Figure, Missing


def test_a_part_that_lacks_something_or_breaks_costs_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacks() -> list[Figure]:
        raise Missing("no camera here")

    def skips() -> list[Figure]:
        pytest.skip("mosquitto is not installed")

    def imports() -> list[Figure]:
        raise ModuleNotFoundError("No module named 'gi'")

    def breaks() -> list[Figure]:
        raise ValueError("a bug")

    report = Report()
    for part in (lacks, skips, imports, breaks, lambda: [Figure("speed", 3.0, "x", 2.0)]):
        report.measure(part.__name__, part)
        report.write(tmp_path / "out" / "bench.json")
    written = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert [figure["name"] for figure in written["figures"]] == ["speed"]
    reasons = {"lacks": "no camera here", "skips": "mosquitto is not installed", "imports": "No module named 'gi'"}
    assert written["not_measured"] == reasons and written["broken"] == {"breaks": "ValueError: a bug"}
    assert report.exit_code == 1
    report.show()
    said = capsys.readouterr()
    assert "no camera here" in said.out and "skips: not measured, mosquitto is not installed" in said.err


def test_what_is_not_installed_costs_only_the_parts_that_need_it(tmp_path: Path) -> None:
    away = ("gi", "paho", "mcap", "foxglove", "openvino", "torch", "tensorrt_rtx")
    code = (
        f"import sys\nfor name in {away}: sys.modules[name] = None\n"
        "from benchmarks.__main__ import Report, run\n"
        f"report, here = Report(), __import__('pathlib').Path({str(tmp_path)!r})\n"
        "for name in ('recording', 'events', 'cost'): report.measure(name, lambda: run(name, 'segnet-lite', here))\n"
        "print(sorted(report.missing), report.broken, bool(report.figures))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['events', 'recording'] {} True"


def test_every_part_is_there() -> None:
    for place in PARTS.values():
        module, _, function = place.partition(".")
        assert f"\ndef {function}(" in (Path(benchmarks.__file__).parent / f"{module}.py").read_text(encoding="utf-8")
