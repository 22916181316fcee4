"""What Home Assistant is told: one device with its sensors (MQTT discovery of devices, Home Assistant 2024.11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edge_segnet.classes import ClassMap
from edge_segnet.config_messages import HomeAssistant

Component = dict[str, Any]


def discovery(
    settings: HomeAssistant,
    prefix: str,
    identity: str,
    classes: ClassMap,
    cameras: Iterable[str],
    pictures: Mapping[str, str],
    status: Mapping[str, Any],
    silent_after_s: int,
) -> tuple[str, dict[str, Any]]:
    """(topic, document); both stay the same while cameras, classes and model do.

    Args:
        prefix: of our topics.
        identity: unique, lasting, letters, digits and underscores.
        pictures: camera -> the topic of its JPEGs.
        status: the daemon's, for model and version.
        silent_after_s: shares without news for so long are unknown.
    """
    names = list(cameras)
    components: dict[str, Component] = {"events": _events(prefix)}
    for camera in names:
        components.update(_camera(prefix, camera, classes, len(names) > 1, silent_after_s))
    for camera, topic in pictures.items():
        components[f"{camera}_picture"] = {"platform": "camera", "name": f"{camera} picture", "topic": topic}
    for key, component in components.items():
        component["unique_id"] = f"{identity}_{key}"
    document = {
        "device": {
            "identifiers": [identity],
            "name": settings.name,
            "model": f"{status.get('model')} ({status.get('backend')})",
            "sw_version": str(status.get("version")),
        },
        "origin": {"name": "edge-segnet", "sw_version": str(status.get("version"))},
        "availability": [
            {"topic": f"{prefix}/status", "value_template": "{{ 'online' if value_json.online else 'offline' }}"}
        ],
        "components": components,
    }
    return f"{settings.prefix}/device/{identity}/config", document


def _events(prefix: str) -> Component:
    facts = ("rule", "region", "camera", "class", "value", "threshold", "duration_s", "at", "id")
    inner = ", ".join(f"'{fact}': value_json['{fact}']" for fact in facts)
    return {
        "platform": "event",
        "name": "Rules",
        "state_topic": f"{prefix}/event",
        "event_types": ["start", "clear"],
        "value_template": "{{ {'event_type': value_json.kind, " + inner + "} | tojson }}",
    }


def _camera(prefix: str, camera: str, classes: ClassMap, several: bool, silent_after_s: int) -> dict[str, Component]:
    facts = f"value_json.cameras['{camera}']"
    components: dict[str, Component] = {
        f"{camera}_running": {
            "platform": "binary_sensor",
            "name": f"{camera} running",
            "device_class": "running",
            "entity_category": "diagnostic",
            "state_topic": f"{prefix}/status",
            "value_template": f"{{{{ 'ON' if {facts}.state in ('running', 'static') else 'OFF' }}}}",
        },
        f"{camera}_rate": {
            "platform": "sensor",
            "name": f"{camera} frame rate",
            "unit_of_measurement": "fps",
            "state_class": "measurement",
            "entity_category": "diagnostic",
            "state_topic": f"{prefix}/status",
            "value_template": f"{{{{ {facts}.frames_per_second }}}}",
        },
    }
    for index, name in enumerate(classes.names):
        components[f"{camera}_class_{index}"] = {
            "platform": "sensor",
            "name": f"{camera} {name}",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            "suggested_display_precision": 1,
            "expire_after": silent_after_s,
            "state_topic": f"{prefix}/result",
            "value_template": _share(camera, name, several),
        }
    return components


def _share(camera: str, name: str, several: bool) -> str:
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    share = f"(100 * value_json.classes['{quoted}'].share) | round(2)"
    if not several:
        return f"{{{{ {share} }}}}"
    # All cameras' results come on one topic: another camera's leaves this one as it was.
    return f"{{{{ {share} if value_json.camera == '{camera}' else this.state | float(none) }}}}"
