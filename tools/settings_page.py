"""Writes docs/settings.md: every key of the configuration, from the same models that check it.

python -m tools.settings_page
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from edge_segnet.sinks.registry import json_schema

PAGE: Final = Path(__file__).parent.parent / "docs" / "settings.md"
INTRODUCTION: Final = """# Settings

Every key that may stand in the configuration, written by `python -m tools.settings_page` from what checks it.
`edge-segnet config schema` prints the same as JSON schema, for editors; `edge-segnet run --config FILE --check` checks
a file. An unknown key, a key that stands twice and a value of another kind are errors that name file, line and key.
[Examples](../configs) with comments are the better start; [how to run the service](service.md) is the page before this.

Where the default is –, leaving the key out means what its text says, or that the feature is off.
"""
Schema = dict[str, Any]
BOUNDS: Final = (("exclusiveMinimum", "> {}"), ("minimum", "≥ {}"), ("exclusiveMaximum", "< {}"), ("maximum", "≤ {}"))


def page(schema: Schema) -> str:
    """The whole page."""
    parts, known = [INTRODUCTION], schema["$defs"]
    for path, section in sections(schema, known):
        parts.append(f"## {path or 'The file'}\n")
        if path:
            parts.append(f"{section['description'].strip()}\n")
        parts.append("| key | value | default | meaning |\n|---|---|---|---|")
        needed = section.get("required", [])
        parts += [
            f"| `{key}` | {kind(value, known)} | {default(key, value, needed)} | {meaning(value, known)} |"
            for key, value in section["properties"].items()
        ]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def sections(section: Schema, known: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """(dotted path, schema) of a section and of all sections in it."""
    yield path, section
    for key, value in section["properties"].items():
        for suffix, name in references(value):
            if not is_short(known[name]):
                yield from sections(known[name], known, f"{path}.{key}{suffix}".lstrip("."))


def references(value: Schema) -> Iterator[tuple[str, str]]:
    """(what comes after the key, name of the section) of all sections that a value may be."""
    if "$ref" in value:
        yield "", value["$ref"].rpartition("/")[2]
    for branch in value.get("anyOf", []):
        yield from references(branch)
    if "items" in value:
        yield from ((f"[]{suffix}", name) for suffix, name in references(value["items"]))
    if isinstance(value.get("additionalProperties"), dict):
        yield from ((f".NAME{suffix}", name) for suffix, name in references(value["additionalProperties"]))


def is_short(section: Schema) -> bool:
    """Whether it has one key only, and is shown in the line of its parent."""
    return len(section["properties"]) == 1 and bool(section.get("required"))


def kind(value: Schema, known: Schema) -> str:
    """What may stand there."""
    if "$ref" in value:
        section = known[value["$ref"].rpartition("/")[2]]
        return f"`{{{next(iter(section['properties']))}: …}}`" if is_short(section) else "a section"
    if "anyOf" in value:
        return " or ".join(kind(branch, known) for branch in value["anyOf"] if branch.get("type") != "null")
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if value.get("type") == "array":
        return f"list of {kind(value['items'], known)}"
    if isinstance(value.get("additionalProperties"), dict):
        return f"NAME: {kind(value['additionalProperties'], known)}"
    word = "path" if value.get("format") == "path" else value.get("type", "anything")
    word = {"string": "text", "boolean": "`true`, `false`", "integer": "whole number"}.get(word, word)
    bounds = [text.format(f"{value[name]:.10g}") for name, text in BOUNDS if name in value]
    return ", ".join([word, *bounds])


def default(key: str, value: Schema, needed: list[str]) -> str:
    """What holds where the key is left out."""
    if key in needed:
        return "needed"
    given = value.get("default", {})  # one that is made anew each time is not in the schema
    if given is None:
        return "–"
    has_own = isinstance(given, dict) and (given or "default" not in value)
    return "its own" if has_own else f"`{json.dumps(given, ensure_ascii=False)}`"


def meaning(value: Schema, known: Schema) -> str:
    """The description, or that of the section; safe in a table."""
    texts = [value.get("description", ""), *(known[name]["description"] for _, name in references(value))]
    return next((text for text in texts if text), "").strip().replace("\n", " ").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(json_schema()), encoding="utf-8")
