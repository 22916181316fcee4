"""A CUDA driver without a GPU, built from C, for the real pycuda and the real cuda-bindings."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from edge_segnet.cuda.choice import installed
from edge_segnet.cuda.compile import kernel_source
from edge_segnet.cuda.interface import DriverKind

HERE = Path(__file__).parent
DRIVER: Final = "EDGE_SEGNET_TEST_DRIVER"
"""The drivers that ``tests.gpu`` tests, if not all."""


def wanted_symbols(library: Path) -> list[str]:
    """Driver calls that a shared library leaves to others."""
    said = subprocess.run(["nm", "-D", "--undefined-only", str(library)], capture_output=True, text=True, check=True)
    return [word for word in said.stdout.split() if word.startswith("cu")]


def build(folder: Path, driver: DriverKind = "auto", *, integrated: bool = False) -> str:
    """Make ``libcuda.so.1``; returns why not, or "". ``driver``: what is to run on it; auto: nothing of both. What
    pycuda links to and nobody here calls fails when called.
    """
    if driver != "auto" and driver not in installed():
        return f"{driver} is not installed"
    spec = importlib.util.find_spec("pycuda")
    if missing := [name for name in ("gcc", "g++", "nm") if shutil.which(name) is None]:
        return f"{missing[0]} is not installed"
    (folder / "decode.cpp").write_bytes(kernel_source())
    shared = ["-O2", "-fPIC"]
    subprocess.run(["g++", "-std=c++14", *shared, "-c", "decode.cpp"], cwd=folder, check=True)
    define = f"-DINTEGRATED={int(integrated)}"
    subprocess.run(["gcc", *shared, "-Wall", "-Wextra", define, "-c", str(HERE / "libcuda.c")], cwd=folder, check=True)
    said = subprocess.run(["nm", "libcuda.o"], cwd=folder, capture_output=True, text=True, check=True).stdout
    origin = "" if spec is None or spec.origin is None else spec.origin
    wanted = {name for found in Path(origin).parent.glob("_driver*.so") for name in wanted_symbols(found)}
    rest = sorted(wanted - set(said.split())) if origin else []
    (folder / "rest.c").write_text("".join(f"int {name}(void) {{ return 801; }}\n" for name in rest), encoding="ascii")
    subprocess.run(["gcc", *shared, "-c", "rest.c"], cwd=folder, check=True)
    objects = ["libcuda.o", "rest.o", "decode.o"]
    name = "libcuda.so.1"
    subprocess.run(["g++", "-shared", f"-Wl,-soname,{name}", "-o", name, *objects, "-ldl"], cwd=folder, check=True)
    return ""


def run(
    folder: Path, *arguments: str, cwd: Path | None = None, driver: DriverKind = "auto"
) -> subprocess.CompletedProcess[str]:
    """Python with that driver in the place of the machine's own, and the TensorRT of ``modules``. ``driver`` is for
    ``tests.gpu``.
    """
    libraries = [str(folder), os.environ.get("LD_LIBRARY_PATH", "")]
    modules = [str(HERE / "modules"), str(HERE.parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
        "PYTHONPATH": ":".join(filter(None, modules)),
        "STATE_DIRECTORY": str(folder / "state"),
        DRIVER: driver,
    }
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=300, cwd=cwd
    )
