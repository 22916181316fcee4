"""docs/regions.md: its settings can be loaded, its event has the keys of a real one, its names exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.scene.interpreter import Network, check
from edge_segnet.sinks.registry import load
from tests.scene.test_events import event_of

PAGE = (Path(__file__).parents[2] / "docs" / "regions.md").read_text(encoding="utf-8")
SETTINGS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", SETTINGS, ids=range(len(SETTINGS)))
def test_settings_on_the_page(text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    check(load(path), Network(CAMVID_11, (480, 360), "stretch"))


def test_the_event_on_the_page() -> None:
    shown = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
    assert list(shown) == list(event_of(0).document().to_dict())
