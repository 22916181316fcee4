"""What Home Assistant is told: one device with its sensors (MQTT discovery of devices, Home Assistant 2024.11).

Each camera has an availability of its own: while it gives no results, what it said last is not shown as if it were so.
Templates ask whether a key is there before they read it, since the last status of a service that ended has few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from edge_segnet.core.documents import StatusDocument
from edge_segnet.core.types import View
from edge_segnet.sinks.mqtt.settings import HomeAssistant

Component = dict[str, Any]
SILENT_AFTER_S: Final = 30
"""Without a result for so long, what it said is unknown."""
EVENT_FACTS: Final = ("rule", "region", "camera", "class", "measure", "value", "threshold", "duration_s", "at", "id")
SEEING: Final = "('running', 'static')"
"""States of a camera that gives results."""


@dataclass(frozen=True)
class Device:
    """What there is. ``pictures``: camera -> the topic of its JPEGs; ``sinks``: by name; ``identity``: letters, digits,
    underscores.
    """

    prefix: str
    identity: str
    view: View
    cameras: Sequence[str]
    pictures: Mapping[str, str]
    sinks: Iterable[str] = ()


def topic_of(settings: HomeAssistant, identity: str) -> str:
    """Where the device is described."""
    return f"{settings.prefix}/device/{identity}/config"


def discovery(settings: HomeAssistant, device: Device, status: StatusDocument) -> dict[str, Any]:
    """The device's document; ``status`` is the daemon's, for model and version."""
    components = {"events": _events(device.prefix), **_service(device)}
    for camera in device.cameras:
        components |= _state(device.prefix, camera)
        seen: dict[str, Component] = {f"class_{camera}_{name}": each for name, each in _classes(device, camera).items()}
        seen |= {f"region_{camera}_{name}": each for name, each in _regions(device, camera).items()}
        seen |= {f"free_{camera}_{name}": each for name, each in _free(device, camera).items()}
        seen |= {f"rule_{camera}_{name}": each for name, each in _rules(device, camera).items()}
        if camera in device.pictures:
            name = f"{camera} picture"
            seen[f"picture_{camera}"] = {"platform": "camera", "name": name, "topic": device.pictures[camera]}
        available = _available(device.prefix, camera)
        components |= {key: {**component, "availability": available} for key, component in seen.items()}
    for key, component in components.items():
        component["unique_id"] = f"{device.identity}_{key}"
    return {
        "device": {
            "identifiers": [device.identity],
            "name": settings.name,
            "model": f"{status.model} ({status.backend})",
            "sw_version": status.version,
        },
        "origin": {"name": "edge-segnet", "sw_version": status.version},
        "availability": _available(device.prefix),
        "components": components,
    }


def _available(prefix: str, camera: str | None = None) -> list[dict[str, str]]:
    """While the service is there and, if one is named, the camera gives results."""
    there = "value_json.online" if camera is None else f"value_json.online and {_camera(camera)}.state in {SEEING}"
    return [{"topic": f"{prefix}/status", "value_template": f"{{{{ 'online' if {there} else 'offline' }}}}"}]


def _camera(name: str) -> str:
    return f"value_json.get('cameras', {{}}).get({_quoted(name)}, {{'state': 'gone'}})"


def _events(prefix: str) -> Component:
    facts = ", ".join(f"'{fact}': value_json['{fact}']" for fact in EVENT_FACTS)
    return {
        "platform": "event",
        "name": "Rules",
        "state_topic": f"{prefix}/event",
        "event_types": ["start", "clear"],
        "value_template": "{{ {'event_type': value_json.kind, " + facts + "} | tojson }}",
    }


def _service(device: Device) -> dict[str, Component]:
    """The service itself, the board it runs on, its ways out."""
    common = {"entity_category": "diagnostic", "state_topic": f"{device.prefix}/status"}
    problem = {"platform": "binary_sensor", "device_class": "problem", **common}
    board = "(value_json.get('board') or {})"
    hottest = f"{board}.get('temperatures', []) | map(attribute='celsius') | max"
    told = {
        "service": {"platform": "sensor", "name": "State", "value_template": "{{ value_json.state }}", **common},
        "degraded": {
            "name": "Degraded",
            "value_template": "{{ 'ON' if value_json.get('degraded') else 'OFF' }}",
            "json_attributes_topic": f"{device.prefix}/status",
            "json_attributes_template": "{{ value_json.get('degraded', {}) | tojson }}",
            **problem,
        },
        "throttled": {
            "name": "Board throttled",
            "value_template": f"{{{{ 'ON' if {board}.get('throttled') else 'OFF' }}}}",
            **problem,
        },
        "temperature": {
            "platform": "sensor",
            "name": "Board temperature",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "state_class": "measurement",
            "value_template": f"{{{{ {hottest} if {board}.get('temperatures') else none }}}}",
            **common,
        },
    }
    for name in device.sinks:
        sink = f"value_json.get('sinks', {{}}).get({_quoted(name)}, {{}})"
        template = f"{{{{ 'ON' if {sink}.get('error') else 'OFF' }}}}"
        told[f"sink_{name}"] = {"name": f"{name} output", "value_template": template, **problem}
    return told


def _state(prefix: str, camera: str) -> dict[str, Component]:
    facts = _camera(camera)
    common = {"entity_category": "diagnostic", "state_topic": f"{prefix}/status"}
    return {
        f"state_{camera}": {
            "platform": "sensor",
            "name": f"{camera} state",
            "value_template": f"{{{{ {facts}.state }}}}",
            **common,
        },
        f"running_{camera}": {
            "platform": "binary_sensor",
            "name": f"{camera} running",
            "device_class": "running",
            "value_template": f"{{{{ 'ON' if {facts}.state in {SEEING} else 'OFF' }}}}",
            **common,
        },
        f"rate_{camera}": {
            "platform": "sensor",
            "name": f"{camera} frame rate",
            "unit_of_measurement": "fps",
            "state_class": "measurement",
            "value_template": f"{{{{ {facts}.get('frames_per_second', none) }}}}",
            **common,
        },
    }


def _classes(device: Device, camera: str) -> dict[str, Component]:
    return {
        name: _share(device, camera, f"{camera} {name}", f"value_json.classes.get({_quoted(name)}, {{}}).get('share')")
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
                value = f"value_json.get('regions', {{}}).get({_quoted(region)}, {{}}).get({_quoted(name)})"
                components[f"{region}_{name}"] = _share(device, camera, f"{camera} {region} {name}", value)
    return components


def _share(device: Device, camera: str, name: str, value: str) -> Component:
    return {
        "platform": "sensor",
        "name": name,
        "unit_of_measurement": "%",
        "suggested_display_precision": 1,
        "value_template": f"{{{{ none if {value} is none else (100 * {value}) | round(2) }}}}",
        **_measured(device, camera),
    }


def _measured(device: Device, camera: str) -> Component:
    return {
        "state_class": "measurement",
        "expire_after": SILENT_AFTER_S,
        "state_topic": f"{device.prefix}/result/{camera}",
    }


def _free(device: Device, camera: str) -> dict[str, Component]:
    """The nearest sector of each region that measures how far the ground is free."""
    components: dict[str, Component] = {}
    for region, config in device.view.regions.items():
        if not (config.drivable and config.sees(camera)):
            continue
        free = f"(value_json.get('region_details', {{}}).get({_quoted(region)}, {{}}).get('free') or {{}})"
        components[f"{region}_rows"] = {
            "platform": "sensor",
            "name": f"{camera} {region} free rows",
            "unit_of_measurement": "rows",
            "value_template": _nearest(f"{free}.get('rows')"),
            **_measured(device, camera),
        }
        if camera in device.view.metric:
            components[f"{region}_metres"] = {
                "platform": "sensor",
                "name": f"{camera} {region} free distance",
                "device_class": "distance",
                "unit_of_measurement": "m",
                "value_template": _nearest(f"{free}.get('metres')"),
                **_measured(device, camera),
            }
    return components


def _nearest(values: str) -> str:
    return f"{{{{ {values} | min if {values} else none }}}}"


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
