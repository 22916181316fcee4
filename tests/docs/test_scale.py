"""docs/scale.md: what it derives follows from what it says was measured."""

from __future__ import annotations

from benchmarks import scale


def test_the_tables_follow_from_the_figures() -> None:
    text = scale.PAGE.read_text(encoding="utf-8")
    found = scale.read_back(text)
    assert scale.written(text, found) == text
    assert "| 108 million |" in text
    core_hours = 1000 * 3600 * 30 * found.core_s / 3600
    assert f"| {core_hours:,.0f} core-hours |" in text
    assert 1e3 < found.row * 1e3 < found.labels_png * 1e3 < found.recorded * 1e3 < 1e9
