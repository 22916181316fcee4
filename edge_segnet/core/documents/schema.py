"""JSON schemas of the documents as recordings and live viewers want them: with them Foxglove offers fields by name."""

from __future__ import annotations

from typing import Any

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.documents.base import Document
from edge_segnet.core.documents.result import ResultDocument


def viewer_schema(document: type[Document], title: str) -> dict[str, Any]:
    """A schema in one piece: viewers follow no references, and want one type a field, so null is left unsaid."""
    whole = document.model_json_schema(by_alias=True)
    return {**_plain(whole, whole.get("$defs", {})), "title": title}


def result_schema(classes: ClassMap) -> dict[str, Any]:
    """Of ``ResultDocument``, every class by its name."""
    schema = viewer_schema(ResultDocument, "edge_segnet.Result")
    count = schema["properties"]["classes"].pop("additionalProperties")
    schema["properties"]["classes"]["properties"] = dict.fromkeys(classes.names, count)
    return schema


def _plain(node: Any, named: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_plain(each, named) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        node = {**named[node["$ref"].rpartition("/")[2]], **{key: each for key, each in node.items() if key != "$ref"}}
    if "anyOf" in node:
        (kept,) = [each for each in node["anyOf"] if each != {"type": "null"}]
        return _plain({**kept, **{key: each for key, each in node.items() if key != "anyOf"}}, named)
    return {key: _plain(each, named) for key, each in node.items() if key not in ("$defs", "title", "default")}
