"""What Home Assistant is told: one device with its sensors (MQTT discovery of devices, Home Assistant 2024.11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from edge_segnet.core.documents import StatusDocument
from edge_segnet.core.types import View
from edge_segnet.sinks.mqtt.settings import HomeAssistant

Component = dict[str, Any]
SILENT_AFTER_S: Final = 30
"""Without a result for so long, what it said is unknown."""
EVENT_FACTS: Final = ("rule", "region", "camera", "class", "measure", "value", "threshold", "duration_s", "at", "id")


@dataclass(frozen=True)
class Device:
    """What there is. ``pictures``: camera -> the topic of its JPEGs; ``identity``: letters, digits, underscores."""

    prefix: str
    identity: str
    view: View
    cameras: Sequence[str]
    pictures: Mapping[str, str]


def discovery(settings: HomeAssistant, device: Device, status: StatusDocument) -> tuple[str, dict[str, Any]]:
    """(topic, document); ``status`` is the daemon's, for model and version."""
    components: dict[str, Component] = {"events": _events(device.prefix)}
    for camera in device.cameras:
        components |= _state(device.prefix, camera)
        components |= {f"class_{camera}_{name}": each for name, each in _classes(device, camera).items()}
        components |= {f"region_{camera}_{name}": each for name, each in _regions(device, camera).items()}
        components |= {f"rule_{camera}_{name}": each for name, each in _rules(device, camera).items()}
    for camera, topic in device.pictures.items():
        components[f"picture_{camera}"] = {"platform": "camera", "name": f"{camera} picture", "topic": topic}
    for key, component in components.items():
        component["unique_id"] = f"{device.identity}_{key}"
    document = {
        "device": {
            "identifiers": [device.identity],
            "name": settings.name,
            "model": f"{status.model} ({status.backend})",
            "sw_version": status.version,
        },
        "origin": {"name": "edge-segnet", "sw_version": status.version},
        "availability": [
            {
                "topic": f"{device.prefix}/status",
                "value_template": "{{ 'online' if value_json.online else 'offline' }}",
            }
        ],
        "components": components,
    }
    return f"{settings.prefix}/device/{device.identity}/config", document


def _events(prefix: str) -> Component:
    facts = ", ".join(f"'{fact}': value_json['{fact}']" for fact in EVENT_FACTS)
    return {
        "platform": "event",
        "name": "Rules",
        "state_topic": f"{prefix}/event",
        "event_types": ["start", "clear"],
        "value_template": "{{ {'event_type': value_json.kind, " + facts + "} | tojson }}",
    }


def _state(prefix: str, camera: str) -> dict[str, Component]:
    facts = f"value_json.cameras[{_quoted(camera)}]"
    common = {"entity_category": "diagnostic", "state_topic": f"{prefix}/status"}
    return {
        f"running_{camera}": {
            "platform": "binary_sensor",
            "name": f"{camera} running",
            "device_class": "running",
            # The last status of a service that ended has no cameras.
            "value_template": f"{{{{ 'ON' if value_json.online and {facts}.state in ('running', 'static') "
            "else 'OFF' }}",
            **common,
        },
        f"rate_{camera}": {
            "platform": "sensor",
            "name": f"{camera} frame rate",
            "unit_of_measurement": "fps",
            "state_class": "measurement",
            "value_template": f"{{{{ {facts}.frames_per_second if value_json.online else none }}}}",
            **common,
        },
    }


def _classes(device: Device, camera: str) -> dict[str, Component]:
    return {
        name: _share(device, camera, f"{camera} {name}", f"value_json.classes[{_quoted(name)}].share")
        for name in device.view.classes.names
    }


def _regions(device: Device, camera: str) -> dict[str, Component]:
    """The classes of each region that rules, or its free distance, are about."""
    components = {}
    for region, config in device.view.regions.items():
        wanted = {rule.class_name.lower() for rule in device.view.rules if rule.region == region and rule.class_name}
        wanted |= {name.lower() for name in config.drivable}
        for name in device.view.classes.names:
            if config.sees(camera) and name.lower() in wanted:
                value = f"value_json.regions[{_quoted(region)}][{_quoted(name)}]"
                components[f"{region}_{name}"] = _share(device, camera, f"{camera} {region} {name}", value)
    return components


def _share(device: Device, camera: str, name: str, value: str) -> Component:
    return {
        "platform": "sensor",
        "name": name,
        "unit_of_measurement": "%",
        "state_class": "measurement",
        "suggested_display_precision": 1,
        "expire_after": SILENT_AFTER_S,
        "state_topic": f"{device.prefix}/result/{camera}",
        "value_template": f"{{{{ (100 * {value}) | round(2) }}}}",
    }


def _rules(device: Device, camera: str) -> dict[str, Component]:
    """ON while the rule's alarm is."""
    return {
        rule.name: {
            "platform": "binary_sensor",
            "name": f"{camera} {rule.name}",
            "device_class": "problem",
            "expire_after": SILENT_AFTER_S,
            "state_topic": f"{device.prefix}/result/{camera}",
            "value_template": f"{{{{ 'ON' if {_quoted(rule.name)} in value_json.alarms else 'OFF' }}}}",
        }
        for rule in device.view.rules
        if device.view.concerns(rule, camera)
    }


def _quoted(text: str) -> str:
    """As a string of Jinja."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
