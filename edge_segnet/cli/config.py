"""``edge-segnet config``: the settings file of ``run``."""

from __future__ import annotations

import json
from dataclasses import dataclass

from edge_segnet.cli.command import add, group
from edge_segnet.sinks.registry import json_schema


@dataclass(frozen=True)
class Schema:
    """Print the JSON schema of the settings file."""

    def run(self) -> None:
        """On standard output."""
        print(json.dumps(json_schema(), indent=2))  # noqa: T201


app = group("The settings file of 'run'.")
add(app, "schema", Schema)
