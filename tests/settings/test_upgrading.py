"""Settings files of edge-segnet 0.1 load as they are: those that came with it, and one with all that it knew."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from edge_segnet.sinks.mqtt.settings import MqttConfig
from edge_segnet.sinks.registry import load

FILES = sorted((Path(__file__).parent / "from_0_1").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_settings_of_0_1_load_unchanged(file: Path) -> None:
    config = load(file)
    mqtt = config.section("mqtt", MqttConfig)
    assert config.cameras and (mqtt is None or mqtt.compat is None)


KEYS_0_1 = (
    "model backend fallback memory threads size cameras regions rules steady http rtsp mqtt jsonl video recording "
    "foxglove ros2 log"
)
"""All but ``colours``, which needs a file."""


def test_nothing_is_left_out() -> None:
    text = (Path(__file__).parent / "from_0_1" / "every_section.yaml").read_text(encoding="utf-8")
    assert list(yaml.safe_load(text)) == KEYS_0_1.split()
