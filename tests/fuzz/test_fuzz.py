"""The fuzzer finds what is there to be found, and the parsers are held to it for a moment; ``make fuzz`` does more."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fuzz.harness import fuzz
from tests.fuzz.targets import TARGETS

SECONDS = 6.0
"""Of a target: most of it is the imports of its child."""


@pytest.mark.parametrize("name", TARGETS)
def test_no_traceback(name: str, tmp_path: Path) -> None:
    report = fuzz(name, tmp_path, cases=60, seed=3, limit_s=SECONDS)
    assert report.faults == {}, report.line()


BAD = '''
"""Parsers that go wrong, each in its way."""
import itertools, os, sys, time
from edge_segnet.core.errors import InputError, EdgeSegnetError

class Bad:
    def __init__(self, folder): self._numbers = itertools.count(int(sys.argv[3]))
    def make(self, rng): return next(self._numbers)
    def run(self, case):
        match case:
            case 0: return
            case 1: raise InputError("good")
            case 2: raise KeyError("x")
            case 3: os.abort()
            case 4: time.sleep(60)
            case 5: bytearray(1200 << 20)
            case 6: raise EdgeSegnetError("a bug of ours")
            case 7: sys.exit(3)
'''


def test_every_kind_of_fault_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.py").write_text(BAD, encoding="utf-8")
    path = [str(tmp_path), *sys.path]
    monkeypatch.setenv("PYTHONPATH", ":".join(path))
    monkeypatch.setenv("EDGE_SEGNET_FUZZ_TARGET", "bad:Bad")
    report = fuzz("own", tmp_path / "cases", cases=8, seed=1, limit_s=60.0)
    assert report.kinds == {"accepted": 1, "refused": 1, "traceback": 3, "crash": 1, "hang": 1, "memory": 1}
    assert report.cases == 8 and len(report.faults) == 6
    assert any("KeyError" in what for what in report.faults)
