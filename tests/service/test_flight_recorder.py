"""The flight recorder, triggered by how uncertain the whole picture is."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_segnet.sinks.registry import load
from tests.service.test_life import running, settings
from tests.support.waiting import wait_until

pytest.importorskip("mcap")
pytest.importorskip("foxglove")


def test_frames_that_the_network_is_unsure_of_are_kept(tmp_path: Path, model: Path) -> None:
    folder, path = tmp_path / "kept", tmp_path / "c.yaml"
    ring = f"recording: {{path: {folder}, mode: ring, seconds: 5, after_s: 0.2, images: [camera], free_mb: 0}}\n"
    rule = "rules: [{name: unsure, uncertain: true, above: 0.0, frames: 3, snapshot: false}]"
    path.write_text(settings(model, more=ring + rule))
    with running(lambda: load(path)) as stage:
        wait_until(lambda: any(folder.glob("*unsure*.mcap")))
        alarms = stage.sink.results[-1].alarms
    assert alarms == ("unsure",) and stage.failures == []
