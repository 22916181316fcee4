"""CONTRIBUTING.md's sink, as it stands there: two files and a line make it work."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import edge_segnet.sinks
from edge_segnet.service.sinks import SinkManager
from edge_segnet.settings import load as files
from edge_segnet.sinks.registry import FOLDERS, config_type, specs_of
from tests.support.service import StreetService, drive
from tests.support.waiting import wait_until

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
FOLDER = "edge_segnet.sinks.road"


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page's files, found as if they lay in the package."""
    found = re.findall(r"`(edge_segnet/sinks/road/\w+\.py)`:\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert [Path(name).name for name, _ in found] == ["spec.py", "sink.py"]
    for name, code in found:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code)
    (tmp_path / "edge_segnet" / "sinks" / "road" / "__init__.py").touch()
    beside = str(tmp_path / "edge_segnet" / "sinks")
    monkeypatch.setattr(edge_segnet.sinks, "__path__", [*edge_segnet.sinks.__path__, beside])
    yield
    for name in [name for name in sys.modules if name.startswith(FOLDER)]:
        del sys.modules[name]


@pytest.mark.usefixtures("sink")
def test_two_files_and_a_line_make_a_sink(tmp_path: Path) -> None:
    specs = specs_of([*FOLDERS, FOLDER])
    settings = tmp_path / "c.yaml"
    settings.write_text(f"http: null\nroad: {{path: {tmp_path}/road.txt}}\n")
    manager = SinkManager(StreetService(), {}, specs)
    with ExitStack() as made:
        manager.commit(manager.prepare(files.load(settings, kind=config_type(specs)), made))
        made.pop_all()
    (result,) = drive(1)
    manager.publish(result)
    wait_until(lambda: manager.status()["road"].published == 1)
    manager.close(1.0)
    captured, share = (tmp_path / "road.txt").read_text().split()
    road = result.segmentation.classes.names.index("Road")
    counts = result.segmentation.counts
    assert int(captured) == result.frame.captured_ns and 0.1 < float(share) < 0.9
    assert float(share) == pytest.approx(counts[road] / counts.sum(), abs=1e-4)
