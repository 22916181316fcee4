"""Builds a deployed model's engine in a process of its own, while the old model serves."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import ModelError
from edge_segnet.service.model import Loaded
from edge_segnet.settings import deployed
from edge_segnet.settings.schema import Config

LOOK_S: Final = 0.2
"""Between two looks whether a build is to be ended: a stop has 2 s for everything."""
LINES: Final = 3
"""Of what the builder said last, which names the reason."""


def needs_engine(config: Config, old: Loaded) -> bool:
    """Whether the settings have a model served by TensorRT: by name, or because ``auto`` took it for the old one."""
    return config.backend == "tensorrt" or (config.backend == "auto" and old.backend.name.startswith("tensorrt"))


def command(model: Path, size: tuple[int, int] | None) -> list[str]:
    """What builds it, into the state folder, as politely as a process can be."""
    sized = [] if size is None else ["--size", f"{size[0]}x{size[1]}"]
    program = [
        sys.executable,
        "-m",
        "edge_segnet",
        "build-engine",
        str(model),
        "-o",
        str(deployed.engine_of(model)),
        *sized,
    ]
    return ["nice", "-n", "10", *program]


def build(model: Path, size: tuple[int, int] | None, look: Callable[[], None]) -> None:
    """Wait for it; ``look`` is called meanwhile, and what it raises ends the builder.

    Raises:
        ModelError: the engine can't be built.
    """
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command(model, size),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=os.environ | {"NOTIFY_SOCKET": ""},
            )
        except OSError as error:
            raise ModelError(f"{model}: the builder can't be started ({error.strerror})") from error
        try:
            while process.poll() is None:
                look()
                try:
                    process.wait(LOOK_S)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            said.seek(0)
            lines = said.read().decode("utf-8", "replace").split("\n")
            why = " / ".join([line.strip() for line in lines if line.strip()][-LINES:])
            raise ModelError(f"{model.name}: its engine can't be built (exit code {process.returncode}: {why})")
