"""``/api/openapi.json``: the routes as OpenAPI 3.1. A test asks every one of them and compares."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from edge_segnet.scene.events import KEEP
from edge_segnet.sinks.http import documents
from edge_segnet.sinks.http.pictures import LAYERS
from edge_segnet.sinks.http.streams import MAX_RATE

JSON: Final = "application/json"
_NAME: Final = re.compile(r"\{(\w+)\}")
CAMERA: Final = {
    "name": "camera",
    "in": "query",
    "description": "a camera's name; left out: the first",
    "schema": {"type": "string"},
}
PICTURE_HEADERS: Final = {
    "X-Seq": "the frame's number",
    "X-Age-Ms": "from capture until this answer",
    "X-Camera": "the camera's name",
    "X-Stale": "1: too old to be acted on",
    "X-Synthetic": "1: rendered, no camera",
    "X-Source-Size": "the camera's WIDTHxHEIGHT",
}


@dataclass(frozen=True)
class Operation:
    """What can be asked of one path. ``media_type`` None: a page or a redirection for browsers."""

    path: str
    summary: str
    media_type: str | None
    schema: str | None = None
    limit: str | None = None
    count: str | None = None
    camera: bool = False
    picture: bool = False
    open: bool = False
    unready: bool = False
    method: str = "get"


def _stream(kind: str, text: str, media_type: str) -> Operation:
    path = f"/stream/{kind}" if kind == "layers" else f"/stream/{kind}.mjpg"
    return Operation(path, text, media_type, limit="fps", camera=True)


_MULTIPART: Final = "multipart/x-mixed-replace"
_LAYERS_TEXT: Final = (
    f"both layers for a browser that blends them: parts of {LAYERS}, each a big-endian uint32 with the length of the "
    "JPEG that follows, then the class ids (one byte a pixel, rows from the top) as zlib data, at network size"
)
OPERATIONS: Final = (
    _stream("overlay", "the class colours over the picture, as MJPEG", _MULTIPART),
    _stream("mask", "the class colours, as MJPEG", _MULTIPART),
    _stream("camera", "the picture alone, as MJPEG", _MULTIPART),
    _stream("layers", _LAYERS_TEXT, _MULTIPART),
    Operation("/frame/overlay.jpg", "the newest frame", "image/jpeg", camera=True, picture=True, unready=True),
    Operation("/frame/mask.jpg", "the newest frame", "image/jpeg", camera=True, picture=True, unready=True),
    Operation("/frame/camera.jpg", "the newest frame", "image/jpeg", camera=True, picture=True, unready=True),
    Operation(
        "/frame/labels.png",
        "raw class ids, loss-free, network size",
        "image/png",
        camera=True,
        picture=True,
        unready=True,
    ),
    Operation("/api/result", "the newest frame's statistics", JSON, "ResultDocument", camera=True, unready=True),
    Operation(
        "/api/stream",
        "server-sent events: result for every frame, of all cameras unless one is named; event (with its id: a client "
        "that sends Last-Event-ID misses none) when a rule begins or is over; status once a second",
        "text/event-stream",
        limit="rate",
        camera=True,
    ),
    Operation("/api/events", "what rules noticed", JSON, "EventsDocument", count="limit", camera=True),
    Operation("/api/events/{snapshot}", "the picture of an event, as it was", "image/jpeg"),
    Operation("/api/regions", "the regions and rules at work", JSON, "RegionsDocument"),
    Operation("/api/classes", "the model's classes and colours", JSON, "ClassesDocument", unready=True),
    Operation("/api/status", "cameras, model, clients, board", JSON, "StatusDocument"),
    Operation("/api/openapi.json", "this description", JSON),
    Operation("/metrics", "Prometheus metrics", "text/plain"),
    Operation("/healthz", "200 or 503, for a supervisor", JSON, "HealthDocument", open=True),
    Operation("/readyz", "200 or 503, for a load balancer", JSON, "ReadyDocument", open=True),
    Operation("/", "the dashboard", "text/html"),
    Operation("/login", "the page that asks for the token", "text/html", open=True),
    Operation("/login", "open a session: form field token", None, open=True, method="post"),
    Operation("/logout", "end the session", None, method="post"),
    Operation("/static/{name}", "files of the dashboard", "text/css", open=True),
)


@cache
def description() -> dict[str, Any]:
    """The OpenAPI document."""
    _, schemas = models_json_schema(
        [(model, "serialization") for model in documents.ALL], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "edge-segnet", "version": version("edge-segnet"), "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "edge_segnet_session"},
            },
        },
        "security": [{}, {"token": []}, {"session": []}],
    }


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {"summary": operation.summary, "responses": _responses(operation)}
    if parameters := _parameters(operation):
        found["parameters"] = parameters
    if operation.open:
        found["security"] = [{}]
    if operation.path == "/login" and operation.method == "post":
        fields = {"type": "object", "required": ["token"], "properties": {"token": {"type": "string"}}}
        found["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": fields}}}
    return found


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if operation.camera:
        parameters.append(CAMERA)
    if operation.limit:
        number = {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_RATE}
        text = "frames per second at most"
        parameters.append({"name": operation.limit, "in": "query", "description": text, "schema": number})
    if operation.count:
        number = {"type": "integer", "minimum": 1, "maximum": KEEP}
        parameters.append({"name": operation.count, "in": "query", "description": "the newest ones", "schema": number})
    place = {"in": "path", "required": True, "schema": {"type": "string"}}
    return [*parameters, *({"name": name, **place} for name in _NAME.findall(operation.path))]


def _responses(operation: Operation) -> dict[str, Any]:
    if operation.media_type is None:
        return {"303": {"description": "to another page"}}
    content: dict[str, Any] = {operation.media_type: {}}
    if operation.schema:
        content[operation.media_type] = {"schema": {"$ref": f"#/components/schemas/{operation.schema}"}}
    good: dict[str, Any] = {"description": operation.summary, "content": content}
    if operation.picture:
        good["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in PICTURE_HEADERS.items()
        }
    responses = {"200": good}
    if operation.limit:
        responses["400"] = _problem(f"{operation.limit} is no rate")
    if operation.count:
        responses["400"] = _problem(f"{operation.count} is no such number")
    if operation.camera or _NAME.search(operation.path):
        responses["404"] = _problem("no such camera" if operation.camera else "no such file")
    if operation.unready:
        responses["503"] = _problem("not there yet")
    if operation.limit:
        responses["503"] = _problem("too many streams are open")
    if operation.schema in ("HealthDocument", "ReadyDocument"):
        responses["503"] = {"description": "not so", "content": content}
    if not operation.open:
        responses["401"] = _problem("a token is needed")
    return responses


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
