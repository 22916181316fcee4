"""The connection to a broker, for ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.mqtt.settings import MqttConfig
from edge_segnet.sinks.spec import SinkSpec

SPECS: Final = (
    SinkSpec(
        "mqtt",
        MqttConfig,
        "edge_segnet.sinks.mqtt.sink:MqttSink",
        modules=("paho",),
        install="pip install 'edge-segnet[mqtt]'",
    ),
)
