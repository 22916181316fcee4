"""GPU, TensorRT, CUDA compiler, engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from edge_segnet.core.errors import ModelError
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.place import Place
from edge_segnet.doctor.report import MODEL, Finding, green, grey, red, yellow

TEGRA: Final = {
    "nvidia,tegra210": "5.3",
    "nvidia,tegra186": "6.2",
    "nvidia,tegra194": "7.2",
    "nvidia,tegra234": "8.7",
    "nvidia,tegra264": "11.0",
}
"""A Jetson's chip -> compute capability of its GPU (NVIDIA, "CUDA GPU compute capability")."""
ORIN: Final = "8.7"
NO_ORIN: Final = ("10.13.",)
"""Starts of TensorRT's version: of the arm64 servers' builds, which JetPack 7 runs (isaac-ros-cli issue 22)."""
NVIDIA: Final = "0x10de"
DISPLAY: Final = "0x03"
"""PCI vendor; PCI class of displays and 3D controllers."""


def is_wanted(context: Context) -> bool:
    """Whether the settings need a GPU, and do not only like one."""
    config = context.config
    return config is not None and (config.backend == "tensorrt" or config.model.endswith(".engine"))


def trouble(context: Context, check: str, seen: str, remedy: str, subject: str = "") -> Finding:
    """Red where the settings need TensorRT, otherwise yellow."""
    if is_wanted(context):
        return red(check, MODEL, seen, remedy, subject)
    return yellow(check, seen, "; ".join(filter(None, (remedy, "until then the CPU serves"))), subject)


def check_gpu(context: Context) -> Iterator[Finding]:
    """Asks CUDA's driver; without one, what is in the machine."""
    from edge_segnet.cuda.probe import find_gpu

    try:
        gpu = find_gpu()
    except ModelError as error:
        there = find_hardware(context.place)[0]
        if there:
            yield trouble(context, "gpu", f"{there} is here, but {error.message}", error.hint or SMI)
        elif is_wanted(context):
            yield red("gpu", MODEL, "no NVIDIA GPU, and the settings need one", "backend: auto, or onnx")
        else:
            yield grey("gpu", "no NVIDIA GPU: the CPU serves")
        return
    capability = "{}.{}".format(*gpu.compute_capability)
    words = "{}, compute capability {}, CUDA {}.{}".format(gpu.name, capability, *gpu.cuda)
    yield green("gpu", words, compute_capability=capability)


SMI: Final = "install NVIDIA's driver; nvidia-smi must answer"


def find_hardware(place: Place) -> tuple[str, str]:
    """(what is built in, its compute capability if the chip tells), from the device tree or PCI; empty: nothing."""
    for chip in place.text("/proc/device-tree/compatible").split("\0"):
        if chip in TEGRA:
            return place.board or chip, TEGRA[chip]
    for device in place.glob("/sys/bus/pci/devices/*"):
        if place.text(device / "vendor") == NVIDIA and place.text(device / "class").startswith(DISPLAY):
            return f"an NVIDIA GPU (PCI {device.name})", ""
    return "", ""


def check_tensorrt(context: Context) -> Iterator[Finding]:
    """Which flavour, which version, can it be loaded?"""
    from edge_segnet.engine.library import find_library

    try:
        found = find_library()
    except ModelError as error:
        here = find_hardware(context.place)[0]
        if here or is_wanted(context):
            yield trouble(context, "tensorrt", error.message, error.hint)
        else:
            yield grey("tensorrt", f"{error.message}; without an NVIDIA GPU none is needed")
        return
    chip = find_hardware(context.place)[1]
    if found.flavour == "tensorrt" and found.version.startswith(NO_ORIN) and chip == ORIN:
        seen = f"{found.title} has no code for this board's GPU ({ORIN}): it can't build an engine here"
        yield trouble(context, "tensorrt", seen, "take a JetPack or container for this board: docs/jetson.md")
    else:
        yield green("tensorrt", found.title, flavour=found.flavour, version=found.version)


def check_compiler(context: Context) -> Iterator[Finding]:
    """NVRTC or nvcc: only building an engine needs them."""
    from edge_segnet.cuda import compile as compiling
    from edge_segnet.cuda.probe import find_gpu

    newest: tuple[int, int] | None
    try:
        newest = find_gpu().cuda
    except ModelError:
        newest = None
    try:
        found = compiling.find_compiler(newest)
    except ModelError as error:
        if find_hardware(context.place)[0]:
            yield yellow("cuda compiler", error.message, f"to build an engine here: {error.hint}")
        else:
            yield grey("cuda compiler", f"{error.message}; without an NVIDIA GPU none is needed")
    else:
        yield green("cuda compiler", compiling.describe(found))
