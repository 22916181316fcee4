"""Every parser of what somebody else wrote, by name."""

from __future__ import annotations

import os
import random
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

TARGETS: Final = {
    "config": "texts:ConfigFile",
    "set": "texts:Flags",
    "classes": "texts:Classes",
    "spec": "texts:Spec",
    "budget": "texts:Budget",
    "uri": "texts:Uris",
    "scene": "scenes:Scene",
    "onnx": "graphs:OwnModel",
    "foreign": "graphs:ForeignModel",
    "caffe": "graphs:Caffe",
    "engine": "engines:EngineFiles",
    "labels": "pictures:Labels",
    "image": "pictures:Pictures",
    "video": "pictures:Videos",
    "events": "records:Events",
    "mcap": "records:Mcap",
    "report": "records:Reports",
    "http": "http:Requests",
}


class Target(Protocol):
    """Made once per process, with a folder of its own."""

    def make(self, rng: random.Random) -> Any:
        """A case, the same for the same ``rng``."""
        ...

    def run(self, case: Any) -> None:
        """Parse it; an ``EdgeSegnetError`` is a good answer."""
        ...


OWN: Final = "EDGE_SEGNET_FUZZ_TARGET"
"""``module:Class`` of a target ``own``, from anywhere."""


def open_target(name: str, folder: Path) -> Target:
    """Import and set up."""
    place = os.environ[OWN] if name == "own" else f"tests.fuzz.targets.{TARGETS[name]}"
    module, _, cls = place.partition(":")
    made: Target = getattr(import_module(module), cls)(folder)
    return made
