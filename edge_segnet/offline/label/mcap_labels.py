"""Labels as a recording: ``foxglove.CompressedImage``, grey PNGs of class ids, at the pictures' own times."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mcap.writer import Writer

from edge_segnet.core.files import written_beside
from edge_segnet.offline.label.plan import Item

SCHEMA: Final = {
    "title": "foxglove.CompressedImage",
    "type": "object",
    "properties": {
        "timestamp": {"type": "object", "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}}},
        "frame_id": {"type": "string"},
        "data": {"type": "string", "contentEncoding": "base64"},
        "format": {"type": "string"},
    },
}
"""Foxglove's, in JSON: it needs no SDK."""


def write_labels(path: Path, item: Item, messages: Sequence[tuple[int, bytes]], told: Mapping[str, str]) -> None:
    """``messages``: (nanoseconds, PNG), in order; ``told``: what stands at the file's head. Raises OutputError."""
    camera = item.topic.strip("/").partition("/")[0] or "camera"
    with written_beside(path) as beside, beside.open("wb") as file:
        out = Writer(file)
        out.start(profile="", library="edge-segnet")
        out.add_metadata("edge-segnet", {**told, "labels_of": item.uri})
        if item.robot:
            out.add_metadata("foxglove", {"deviceName": item.robot})
        schema = out.register_schema(SCHEMA["title"], "jsonschema", json.dumps(SCHEMA).encode())  # type: ignore[arg-type]
        channel = out.register_channel(f"/{camera}/labels", "json", schema)
        for at_ns, png in messages:
            stamp = {"sec": at_ns // 10**9, "nsec": at_ns % 10**9}
            message = {"timestamp": stamp, "frame_id": camera, "data": base64.b64encode(png).decode(), "format": "png"}
            out.add_message(channel, at_ns, json.dumps(message).encode(), at_ns)
        out.finish()
