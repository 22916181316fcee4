"""All checks, by where they run. A name and the module behind it: what is not run is not imported."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, Literal

from edge_segnet.doctor.context import Check

Group = Literal["network", "gpu", "media", "model"]
HERE: Final = (
    ("settings", "settings.check"),
    ("section", "settings.check_sections"),
    ("unit", "unit.check"),
    ("user", "rights.check"),
    ("state", "rights.check_state"),
    ("port", "ports.check"),
    ("disk", "room.check_disk"),
    ("memory", "room.check_memory"),
    ("power mode", "power.check_mode"),
    ("clocks", "power.check_clocks"),
    ("heat", "power.check_heat"),
    ("clock", "clock.check"),
    ("python", "software.check_python"),
)
"""Files and quick programs: on threads of this process."""
APART: Final[dict[Group, tuple[tuple[str, str], ...]]] = {
    "network": (("camera", "cameras.check"), ("broker", "broker.check")),
    "media": (("gstreamer", "gstreamer.check"), ("device", "devices.check")),
    "gpu": (
        ("gpu", "gpu.check_gpu"),
        ("tensorrt", "gpu.check_tensorrt"),
        ("cuda compiler", "gpu.check_compiler"),
        ("engine", "engines.check"),
    ),
    "model": (
        ("opencv", "software.check_opencv"),
        ("onnxruntime", "software.check_onnxruntime"),
        ("deployed", "deployed.check"),
        ("model", "model.check"),
    ),
}
"""Native libraries, which may crash or hang: one process per group, checks in this order."""
ORDER: Final = (
    "settings", "section", "secrets", "rules", "deployed", "model", "palette", "model runs", "unit", "user", "rights",
    "state", "camera", "cameras here", "device", "gstreamer", "elements", "decoders", "rtsp out", "broker", "port",
    "gpu", "tensorrt", "cuda compiler", "engine", "python", "opencv", "onnxruntime",
    "disk", "memory", "power mode", "power supply", "clocks", "heat", "clock",
)  # fmt: skip
"""How a report lists them."""


def load(place: str) -> Check:
    """``power.check_heat`` -> the function."""
    module, _, function = place.partition(".")
    found: Any = getattr(import_module(f"edge_segnet.doctor.{module}"), function)
    return found  # type: ignore[no-any-return]
