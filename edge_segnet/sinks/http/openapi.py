"""``/api/openapi.json``: the operations as OpenAPI 3.1. A test asks every one of them and compares."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from edge_segnet.core.documents import Document
from edge_segnet.core.documents.api import HealthDocument, Problem, ReadyDocument
from edge_segnet.core.version import VERSION
from edge_segnet.sinks.http.answers import JSON
from edge_segnet.sinks.http.guard import FOR_PLAYERS
from edge_segnet.sinks.http.operations import OPERATIONS, Operation
from edge_segnet.sinks.http.streams import MAX_RATE

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
    "X-Damaged": "1: not whole, or black, and not to be believed (on_damage: flag)",
    "X-Source-Size": "the camera's WIDTHxHEIGHT",
}


@cache
def description() -> bytes:
    """The OpenAPI document, as JSON."""
    told: list[type[Document]] = [
        Problem,
        *(operation.document for operation in OPERATIONS if operation.document is not None),
    ]
    _, schemas = models_json_schema(
        [(document, "validation") for document in dict.fromkeys(told)], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(shown_path(operation), {})[operation.method] = _operation(operation)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "edge-segnet", "version": VERSION, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
                "session": {"type": "apiKey", "in": "cookie", "name": "edge_segnet_session"},
            },
        },
        "security": [{}, {"token": []}, {"session": []}],
    }
    return json.dumps(document).encode()


def shown_path(operation: Operation) -> str:
    """The path as OpenAPI spells it."""
    return operation.path.replace(":path}", "}")


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {"summary": operation.summary, "responses": _responses(operation)}
    if parameters := _parameters(operation):
        found["parameters"] = parameters
    if operation.open:
        found["security"] = [{}]
    elif operation.path.startswith(FOR_PLAYERS):
        found["security"] = [{}, {"token": []}, {"password": []}, {"session": []}]
    if operation.path == "/login" and operation.method == "post":
        fields = {"type": "object", "required": ["token"], "properties": {"token": {"type": "string"}}}
        found["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": fields}}}
    return found


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if operation.cameras:
        parameters.append({**CAMERA, "schema": {"type": "array", "items": {"type": "string"}}})
    elif operation.camera:
        parameters.append(CAMERA)
    if operation.limit:
        number = {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_RATE}
        text = "frames per second at most"
        parameters.append({"name": operation.limit, "in": "query", "description": text, "schema": number})
    if operation.count:
        count = operation.count
        number = {"type": "integer", "minimum": 1, "maximum": count.most}
        parameters.append({"name": count.name, "in": "query", "description": count.text, "schema": number})
    place = {"in": "path", "required": True, "schema": {"type": "string"}}
    return [*parameters, *({"name": name, **place} for name in _NAME.findall(shown_path(operation)))]


def _responses(operation: Operation) -> dict[str, Any]:
    if operation.media_type is None:
        return {"303": {"description": "to another page"}}
    content: dict[str, Any] = {operation.media_type: {}}
    if operation.document is not None:
        content[operation.media_type] = {"schema": {"$ref": f"#/components/schemas/{operation.document.__name__}"}}
    good: dict[str, Any] = {"description": operation.summary, "content": content}
    if operation.picture:
        good["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in PICTURE_HEADERS.items()
        }
    responses = {"200": good}
    if operation.limit:
        responses["400"] = _problem(f"{operation.limit} is no rate")
    if operation.count:
        responses["400"] = _problem(f"{operation.count.name} is no such number")
    if operation.camera or _NAME.search(shown_path(operation)):
        responses["404"] = _problem("no such camera" if operation.camera else "no such file")
    if operation.unready:
        responses["503"] = _problem("not there yet")
    if operation.limit:
        responses["503"] = _problem("too many streams are open")
    if operation.document in (HealthDocument, ReadyDocument):
        responses["503"] = {"description": "not so", "content": content}
    if not operation.open:
        responses["401"] = _problem("a token is needed")
        responses["429"] = _problem("too many wrong tokens")
    return responses


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
