"""What was measured, on what: enough to run it again."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from edge_segnet.bench.report import Provenance
from edge_segnet.core.types import Backend
from edge_segnet.core.version import VERSION, version_of
from edge_segnet.graph.model_files import ModelCard

PACKAGES = ("numpy", "onnx", "onnxruntime", "opencv-python-headless", "pycuda", "cuda-bindings")


def describe(
    card: ModelCard,
    sha256: str,
    backend: Backend,
    source: str,
    kind: Literal["memory", "live"],
    arguments: dict[str, Any],
) -> Provenance:
    """Of this run; ``sha256``: the model file's; ``source`` without credentials."""
    return Provenance(
        edge_segnet=VERSION,
        git_revision=_git_revision(),
        started_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        arguments=arguments,
        model=card.name,
        model_sha256=sha256 or None,
        network_size=card.size,
        backend=backend.name,
        backend_details=getattr(backend, "provenance", {}),
        source=source,
        source_kind=kind,
        versions={"python": platform.python_version(), **_versions()},
        machine=_machine(),
    )


def _versions() -> dict[str, str]:
    found = {package: version_of(package) for package in PACKAGES}
    return {package: version for package, version in found.items() if version is not None}


def _git_revision() -> str | None:
    """Of the source tree, where this runs from one; a plus marks changes that are not committed."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _machine() -> dict[str, str]:
    facts = {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": str(len(os.sched_getaffinity(0))),
        "cpu": _first(r"^(?:model name|Model)\s*:\s*(.+)$", Path("/proc/cpuinfo")),
        "board": _read(Path("/proc/device-tree/model")).strip("\0"),
        "l4t": _first(r"^# (R\d+ .*?), GCID", Path("/etc/nv_tegra_release")),
    }
    return {name: value for name, value in facts.items() if value}


def _first(pattern: str, path: Path) -> str:
    found = re.search(pattern, _read(path), re.MULTILINE)
    return found[1].strip() if found else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def process_age_ms() -> float:
    """Milliseconds since the kernel started this process, to 10 ms."""
    ticks = int(_read(Path("/proc/self/stat")).rpartition(")")[2].split()[19])
    return 1e3 * (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))


def resident_mb() -> float:
    """Memory of this process that is in RAM now."""
    return int(_read(Path("/proc/self/statm")).split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
