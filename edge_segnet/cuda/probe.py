"""Is there an NVIDIA GPU, and which? Asks the driver library itself, without a context and without pycuda, so that an
engine can be built where pycuda is not installed, and a machine without a GPU gets an answer in a millisecond.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Final

from edge_segnet.core.errors import ModelError

LIBRARY: Final = "libcuda.so.1"
# CUdevice_attribute of cuda.h
_MAJOR, _MINOR, _INTEGRATED = 75, 76, 18
_NO_DEVICE: Final = 100
"""CUDA_ERROR_NO_DEVICE of cuda.h."""


@dataclass(frozen=True)
class Gpu:
    """``compute_capability`` and ``cuda`` (the newest CUDA that the driver runs) are (major, minor)."""

    name: str
    compute_capability: tuple[int, int]
    integrated: bool
    cuda: tuple[int, int]


class NoGpu(ModelError):
    """There is no NVIDIA GPU that CUDA could use; nothing is broken."""


def find_gpu(library: str = LIBRARY) -> Gpu:
    """The first GPU.

    Raises:
        NoGpu: no driver or no device; the message says which.
    """
    try:
        cuda = ctypes.CDLL(library)
    except OSError as error:
        raise NoGpu(
            "no NVIDIA driver on this machine", hint=f"{library} is missing; the CPU serves with --backend onnx"
        ) from error
    status = cuda.cuInit(0)
    if status == _NO_DEVICE:
        raise NoGpu(
            "no NVIDIA GPU that CUDA can use",
            hint="in a container start it with --runtime nvidia; on a Jetson be in the groups 'video' and 'render'",
        )
    if status:
        raise NoGpu(f"CUDA can't start (cuInit: error {status})", hint="check the driver with: nvidia-smi")
    count = _integer(cuda.cuDeviceGetCount)
    if count < 1:
        raise NoGpu("no NVIDIA GPU that CUDA can use", hint="is it hidden by CUDA_VISIBLE_DEVICES?")
    device = _integer(cuda.cuDeviceGet, 0)
    name = ctypes.create_string_buffer(256)
    _check(cuda.cuDeviceGetName(name, len(name), device), "cuDeviceGetName")
    version = _integer(cuda.cuDriverGetVersion)
    major, minor, integrated = (
        _integer(cuda.cuDeviceGetAttribute, attribute, device) for attribute in (_MAJOR, _MINOR, _INTEGRATED)
    )
    return Gpu(
        name.value.decode(errors="replace"), (major, minor), bool(integrated), (version // 1000, version % 1000 // 10)
    )


def _integer(function: Any, *arguments: int) -> int:
    """Calls a function that writes its answer to its first argument."""
    answer = ctypes.c_int()
    _check(function(ctypes.byref(answer), *arguments), function.__name__)
    return answer.value


def _check(status: int, call: str) -> None:
    if status:
        raise NoGpu(f"CUDA can't be asked for the GPU ({call}: error {status})", hint="check it with: nvidia-smi")
