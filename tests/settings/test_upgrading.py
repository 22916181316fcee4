"""Settings files of edge-segnet 0.1 load as they are: those that came with it, and one with all that it knew."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_segnet.sinks.mqtt.settings import MqttConfig
from edge_segnet.sinks.registry import load

FILES = sorted((Path(__file__).parent / "from_0_1").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_settings_of_0_1_load_unchanged(file: Path) -> None:
    config = load(file)
    mqtt = config.section("mqtt", MqttConfig)
    assert config.cameras and (mqtt is None or mqtt.compat is None)


def test_nothing_is_left_out() -> None:
    config = load(Path(__file__).parent / "from_0_1" / "every_section.yaml")
    given = config.model_dump()
    left = {name for name, value in given.items() if value is None}
    assert left <= {"colours"}, left
