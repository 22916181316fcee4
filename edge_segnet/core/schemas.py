"""JSON schemas of what recordings and live viewers get as JSON: with them Foxglove offers the fields by name."""

from __future__ import annotations

from typing import Any, Final

from edge_segnet.core.classes import ClassMap

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "number"}
_WHOLE: Final = {"type": "integer"}
_SWITCH: Final = {"type": "boolean"}
_MAPPING: Final = {"type": "object"}


def _object(title: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "type": "object", "properties": fields}


STATUS: Final = _object(
    "edge_segnet.Status",
    {
        **dict.fromkeys(("state", "message", "version", "model", "backend"), _TEXT),
        **dict.fromkeys(("ready", "healthy"), _SWITCH),
        "uptime_s": _NUMBER,
        **dict.fromkeys(("cameras", "sinks", "board"), _MAPPING),
    },
)
EVENT: Final = _object(
    "edge_segnet.Event",
    {
        **dict.fromkeys(("id", "kind", "rule", "region", "camera", "class", "measure", "at", "snapshot"), _TEXT),
        **dict.fromkeys(("value", "threshold", "duration_s"), _NUMBER),
        **dict.fromkeys(("seq", "frame_seq"), _WHOLE),
        "synthetic": _SWITCH,
    },
)


def result(classes: ClassMap) -> dict[str, Any]:
    """Of the contract's result: every class by its name."""
    count = {"type": "object", "properties": {"id": _WHOLE, "pixels": _WHOLE, "share": _NUMBER}}
    size = {"type": "array", "items": _WHOLE}
    fields = {
        **dict.fromkeys(("camera", "captured_at", "source", "model", "backend"), _TEXT),
        **dict.fromkeys(("age_ms", "low_margin"), _NUMBER),
        **dict.fromkeys(("seq", "void_pixels", "dropped"), _WHOLE),
        **dict.fromkeys(("stale", "synthetic"), _SWITCH),
        **dict.fromkeys(("network_size", "source_size"), size),
        **dict.fromkeys(("regions", "region_details", "flicker", "stages_ms"), _MAPPING),
        "alarms": {"type": "array", "items": _TEXT},
        "classes": {"type": "object", "properties": dict.fromkeys(classes.names, count)},
    }
    return _object("edge_segnet.Result", fields)
