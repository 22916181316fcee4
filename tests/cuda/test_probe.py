"""Asking the driver library which GPU is there: a real shared library that speaks its five calls."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edge_segnet.core.errors import ModelError
from edge_segnet.cuda.driver import PycudaDriver
from edge_segnet.cuda.probe import LIBRARY, NoGpu, find_gpu

SOURCE = """
#include <string.h>
int cuInit(unsigned flags) { return flags ? 1 : INIT; }
int cuDeviceGetCount(int* count) { *count = COUNT; return 0; }
int cuDeviceGet(int* device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char* name, int length, int device) { strncpy(name, "Orin", length); return device; }
int cuDriverGetVersion(int* version) { *version = 12060; return 0; }
int cuDeviceGetAttribute(int* value, int which, int device) {
  *value = which == 75 ? 8 : which == 76 ? 7 : which == 18;
  return ATTRIBUTE;
}
"""


def library(folder: Path, **facts: int) -> str:
    program = shutil.which("gcc") or shutil.which("cc")
    if program is None:
        pytest.skip("no C compiler")
    source, built = folder / "cuda.c", folder / "libcuda.so.1"
    source.write_text(SOURCE, encoding="ascii")
    defines = {"INIT": 0, "COUNT": 1, "ATTRIBUTE": 0} | facts
    flags = [f"-D{name}={value}" for name, value in defines.items()]
    subprocess.run([program, "-shared", "-fPIC", *flags, "-o", str(built), str(source)], check=True)
    return str(built)


def test_a_gpu_is_described(tmp_path: Path) -> None:
    gpu = find_gpu(library(tmp_path))
    assert (gpu.name, gpu.compute_capability, gpu.integrated, gpu.cuda) == ("Orin", (8, 7), True, (12, 6))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"INIT": 100}, "no NVIDIA GPU that CUDA can use.*--runtime nvidia"),
        ({"INIT": 3}, "CUDA can't start .cuInit: error 3.*nvidia-smi"),
        ({"COUNT": 0}, "CUDA_VISIBLE_DEVICES"),
        ({"ATTRIBUTE": 1}, "cuDeviceGetAttribute: error 1"),
    ],
)
def test_what_can_be_wrong(facts: dict[str, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(NoGpu, match=message):
        find_gpu(library(tmp_path, **facts))


def test_no_driver(tmp_path: Path) -> None:
    with pytest.raises(NoGpu, match="no NVIDIA driver on this machine"):
        find_gpu(str(tmp_path / LIBRARY))


def test_without_a_gpu_pycuda_is_not_even_imported() -> None:
    try:
        find_gpu()
    except NoGpu:
        with pytest.raises(ModelError, match="no NVIDIA"):
            PycudaDriver()
    else:
        pytest.skip("there is a GPU")
