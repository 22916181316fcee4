"""The connection to a broker, for ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.mqtt.settings import MqttConfig
from edge_segnet.sinks.spec import SinkSpec, SinkStatus


class MqttStatus(SinkStatus, total=False):
    """What ``/api/status`` shows of it."""

    url: str
    client_id: str
    connections: int
    """Since the start."""
    sent: dict[str, int]
    """By stream, and events."""
    events_dropped: int


SPECS: Final = (
    SinkSpec(
        "mqtt",
        MqttConfig,
        "edge_segnet.sinks.mqtt.sink:MqttSink",
        MqttStatus,
        modules=("paho",),
        install="pip install 'edge-segnet[mqtt]'",
    ),
)
