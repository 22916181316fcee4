"""decode.cu: its per-pixel code, compiled for the host, against NumPy; its kernel, compiled for every architecture."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from edge_segnet.core.errors import ModelError
from edge_segnet.core.margins import margin_scale
from edge_segnet.cuda.compile import find_compiler, installed_compilers, kernel_source
from tests.cuda.reference import Decoded, adversarial, decode
from tests.support.programs import needed

TEMPERATURE = 1.7
SCALE = margin_scale(TEMPERATURE)
EMULATOR = Path(__file__).parent / "emulator.cpp"
ARCHITECTURES = ("sm_87", "sm_90", "sm_110", "sm_120")
"""Orin, data centre, Thor, RTX 50."""
_CASES = [
    pytest.param(logits, id=f"{name}, {kind.__name__}")
    for kind in (np.float16, np.float32)
    for name, logits in adversarial(kind)
]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """decode.cu as a library of this machine."""
    program = shutil.which("g++") or shutil.which("c++")
    if program is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("decode")
    source, library = folder / "decode.cpp", folder / "decode.so"
    source.write_bytes(kernel_source())
    command = [program, "-std=c++14", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", str(library), str(source)], check=True)
    return ctypes.CDLL(str(library))


def check_totals(written: NDArray[np.uint8], totals: NDArray[np.uint32], wanted: Decoded) -> None:
    """``written`` [2,H,W] and ``totals`` of a kernel against NumPy."""
    assert np.array_equal(written[0], wanted.labels) and np.array_equal(written[1], wanted.margins)
    assert totals[2:].tolist() == [*wanted.counts, *wanted.uncertain, wanted.broken]
    total = float(totals[:2].view(np.int64)[0]) / 4096
    if abs(wanted.winning) < 1e12:  # beyond, a sum is cut
        whole = max(np.abs(wanted.winning), written[0].size)
        assert total == pytest.approx(wanted.winning, abs=1e-3 * whole)


def check(host: ctypes.CDLL, logits: NDArray[Any], void_channel: bool = False) -> None:
    channels, height, width = logits.shape
    classes = channels - void_channel
    written = np.full((2, height, width), 99, np.uint8)
    totals = np.zeros(2 * classes + 4, np.uint32)
    entry = getattr(host, f"decode_host_{logits.dtype}")
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (np.ascontiguousarray(logits), written, totals)]
    entry(*pointers, channels, classes, height * width, ctypes.c_float(SCALE))
    check_totals(written, totals, decode(logits, TEMPERATURE, classes))
    assert totals[2 : classes + 3].sum() == height * width


@pytest.mark.parametrize("logits", _CASES)
def test_adversarial_logits(host: ctypes.CDLL, logits: NDArray[Any]) -> None:
    check(host, logits)


@pytest.mark.parametrize("classes", [1, 2, 3, 11, 12, 19, 128, 254, 255])
@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_any_number_of_classes(host: ctypes.CDLL, classes: int, kind: Any) -> None:
    rng = np.random.default_rng(classes)
    check(host, rng.normal(0, 5, (classes, 13, 17)).astype(kind))


def _logits(kind: Any) -> st.SearchStrategy[NDArray[Any]]:
    width = np.dtype(kind).itemsize * 8
    values = st.floats(width=32 if width == 32 else 16, allow_nan=True, allow_infinity=True)
    few = st.sampled_from([0.0, -0.0, 1.0, -1.0, float("nan"), float("inf"), -float("inf")])
    shapes = st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 5))
    return arrays.arrays(kind, shapes, elements=st.one_of(few, values))


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_the_last_channel_may_be_void(host: ctypes.CDLL, emulated: ctypes.CDLL, kind: Any) -> None:
    logits = np.random.default_rng(3).normal(0, 3, (6, 12, 16)).astype(kind)
    logits[2, 4, 5] = np.nan
    check(host, logits, void_channel=True)
    check_kernel(emulated, logits, 2, void_channel=True)


@settings(max_examples=150)
@given(data=st.data(), kind=st.sampled_from([np.float16, np.float32]))
def test_whatever_floats_there_are(host: ctypes.CDLL, data: st.DataObject, kind: Any) -> None:
    check(host, data.draw(_logits(kind)))


def test_every_float16_is_read_as_numpy_reads_it(host: ctypes.CDLL) -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(1, 256, 256)
    zeros = np.zeros_like(every)
    check(host, np.concatenate([zeros, every]))
    check(host, np.concatenate([every, np.roll(every, 1, axis=2), zeros]))


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The kernel itself, warps and barriers included, on the CPU."""
    program = shutil.which("g++")
    if program is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("emulator")
    (folder / "decode.cu").write_bytes(kernel_source())
    define = f'-DKERNEL="{folder / "decode.cu"}"'
    command = [program, "-std=c++17", "-O2", "-Wall", "-Wno-unknown-pragmas", define, "-shared", "-fPIC"]
    library = folder / "emulator.so"
    subprocess.run([*command, "-o", str(library), str(EMULATOR)], check=True)
    return ctypes.CDLL(str(library))


def check_kernel(emulated: ctypes.CDLL, logits: NDArray[Any], grid: int, void_channel: bool = False) -> None:
    channels, height, width = logits.shape
    classes = channels - void_channel
    aligned = np.zeros(logits.nbytes + 16, np.uint8)
    start = -aligned.ctypes.data % 16
    given = aligned[start : start + logits.nbytes].view(logits.dtype)
    given[:] = logits.ravel()
    outputs, totals = np.full(2 * height * width + 16, 99, np.uint8), np.zeros(2 * classes + 4, np.uint32)
    written = outputs[-outputs.ctypes.data % 16 :][: 2 * height * width]
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (given, written, totals)]
    half = int(logits.dtype == np.float16)
    assert emulated.emulate(half, grid, *pointers, channels, classes, height * width, ctypes.c_float(SCALE)) == 0
    check_totals(written.reshape(2, height, width), totals, decode(logits, TEMPERATURE, classes))


@pytest.mark.parametrize("grid", [1, 3])
@pytest.mark.parametrize("logits", _CASES)
def test_the_kernel_on_adversarial_logits(emulated: ctypes.CDLL, logits: NDArray[Any], grid: int) -> None:
    check_kernel(emulated, logits, grid)


@pytest.mark.parametrize("pixels", [4, 8, 124, 128, 132, 1020, 1024, 1028, 1156, 1, 3, 31, 33, 257, 511, 1027])
@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_the_kernel_where_the_last_warp_is_not_full(emulated: ctypes.CDLL, pixels: int, kind: Any) -> None:
    """One lane that is left alone agrees with itself: its four labels need not be alike."""
    logits = np.random.default_rng(pixels).normal(0, 3, (5, 1, pixels)).astype(kind)
    for grid in (1, 2):
        check_kernel(emulated, logits, grid)


def test_the_kernel_where_whole_warps_agree(emulated: ctypes.CDLL) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (11, 40, 64)).astype(np.float16)
    logits[3, :20], logits[7, 20:25, :40] = 50, 50
    check_kernel(emulated, logits, 2)


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", ["nvrtc", "nvcc"])
def test_the_kernel_compiles(name: str, arch: str) -> None:
    compiler = next((found for found in installed_compilers() if found.name == name), None)
    if compiler is None:
        pytest.skip(f"{name} is not installed")
    if name == "nvcc":
        needed("gcc")  # its front end
    if arch == "sm_110" and compiler.version < (13, 0):
        pytest.skip(f"{name} {compiler.version} is older than Thor's sm_110")
    cubin = compiler.compile(kernel_source(), arch)
    assert cubin.startswith(b"\x7fELF")
    for entry in (b"decode_float16", b"decode_float32"):
        assert entry in cubin


def test_errors_are_the_compilers_own_words() -> None:
    try:
        compiler = find_compiler()
    except ModelError as error:
        pytest.skip(str(error))
    with pytest.raises(ModelError, match=r"can't compile the decode kernel for sm_10 \(.*arch.*\)"):
        compiler.compile(kernel_source(), "sm_10")
    with pytest.raises(ModelError, match=r"sm_87.*error.*nonsense"):
        compiler.compile(b"nonsense here;", "sm_87")


def test_no_compiler_at_all() -> None:
    with pytest.raises(ModelError, match=r"neither NVRTC nor nvcc is here.*pip install nvidia-cuda-nvrtc"):
        find_compiler(among=())


def test_a_compiler_that_is_newer_than_the_driver() -> None:
    try:
        compiler = find_compiler()
    except ModelError as error:
        pytest.skip(str(error))
    assert find_compiler(compiler.version).version[0] <= compiler.version[0]
    with pytest.raises(ModelError, match=r"can't compile for this driver, which runs CUDA 11\.4"):
        find_compiler((11, 4))
