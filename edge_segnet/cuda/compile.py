"""``decode.cu`` -> a cubin per architecture, with NVRTC or with nvcc; neither needs a GPU.

NVRTC is called through ctypes: JetPack and the wheel ``nvidia-cuda-nvrtc`` bring the library, but no Python module.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final, Protocol

from edge_segnet.core.errors import ModelError

CUDA_HOME: Final = "/usr/local/cuda"
NVRTC_NAMES: Final = ("libnvrtc.so.13", "libnvrtc.so.12")
_STANDARD: Final = "--std=c++14"


def kernel_source() -> bytes:
    """The text of ``decode.cu``."""
    return (resources.files("edge_segnet.cuda") / "decode.cu").read_bytes()


def architecture(compute_capability: tuple[int, int]) -> str:
    """(8, 7) -> ``sm_87``."""
    return "sm_{}{}".format(*compute_capability)


class Compiler(Protocol):
    """``name`` is nvrtc or nvcc, ``version`` its CUDA version (major, minor)."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> tuple[int, int]: ...

    def compile(self, source: bytes, arch: str) -> bytes:
        """A cubin; raises ModelError with the compiler's own words."""
        ...


def describe(compiler: Compiler) -> str:
    """``nvrtc 13.5``"""
    return "{} {}.{}".format(compiler.name, *compiler.version)


def find_compiler(newest: tuple[int, int] | None = None, among: Iterable[Compiler] | None = None) -> Compiler:
    """NVRTC, or nvcc where only that is there.

    Args:
        newest: the CUDA version of this machine's driver, which can't load what a later major version makes.
        among: compilers in order of preference; left out, what is installed.

    Raises:
        ModelError: there is none.
    """
    too_new = []
    for compiler in installed_compilers() if among is None else among:
        if newest is None or compiler.version[0] <= newest[0]:
            return compiler
        too_new.append(describe(compiler))
    if too_new and newest is not None:
        raise ModelError(
            f"{', '.join(too_new)} can't compile for this driver, which runs CUDA {newest[0]}.{newest[1]}",
            hint=f"pip install 'nvidia-cuda-nvrtc-cu{newest[0]}'",
        )
    raise ModelError(
        "no CUDA compiler: neither NVRTC nor nvcc is here, so the decode kernel can't be made",
        hint="pip install nvidia-cuda-nvrtc, or on a Jetson: sudo apt install cuda-nvcc-12-6 (JetPack 6), "
        "cuda-nvcc-13-0 (JetPack 7)",
    )


def installed_compilers() -> Iterator[Compiler]:
    """NVRTC from wheels, from the system and from the toolkit, then nvcc."""
    yield from _nvrtcs()
    yield from _nvccs()


def _nvrtcs() -> Iterator[Compiler]:
    for path in (*_nvrtc_wheels(), *NVRTC_NAMES, *_toolkit_nvrtcs()):
        try:
            yield Nvrtc(str(path))
        except OSError:
            continue


def _nvrtc_wheels() -> list[Path]:
    """Libraries of the wheels ``nvidia-cuda-nvrtc`` (``nvidia/cu13/lib``) and ``-cu12`` (``nvidia/cuda_nvrtc/lib``)."""
    spec = importlib.util.find_spec("nvidia")
    folders = [] if spec is None else [Path(place) for place in spec.submodule_search_locations or ()]
    found = [file for folder in folders for file in folder.glob("*/lib/libnvrtc.so.*")]
    return sorted(found, reverse=True)


def _toolkit_nvrtcs() -> list[Path]:
    return sorted(Path(os.environ.get("CUDA_HOME", CUDA_HOME)).glob("lib64/libnvrtc.so.*"))


def _nvccs() -> Iterator[Compiler]:
    program = shutil.which("nvcc") or shutil.which(str(Path(os.environ.get("CUDA_HOME", CUDA_HOME)) / "bin" / "nvcc"))
    if program is not None:
        try:
            yield Nvcc(program)
        except ModelError:
            return


class Nvrtc:
    """The run-time compiler's library."""

    name = "nvrtc"

    def __init__(self, path: str) -> None:
        """Raises OSError: not there, or not NVRTC."""
        self._library = ctypes.CDLL(path)
        major, minor = ctypes.c_int(), ctypes.c_int()
        try:
            self._library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        except AttributeError as error:
            raise OSError(f"{path} is not NVRTC") from error
        self.version = major.value, minor.value

    def compile(self, source: bytes, arch: str) -> bytes:
        library, program = self._library, ctypes.c_void_p()
        self._check(library.nvrtcCreateProgram(ctypes.byref(program), source, b"decode.cu", 0, None, None), arch)
        try:
            texts = [option.encode() for option in (f"--gpu-architecture={arch}", _STANDARD)]
            options = (ctypes.c_char_p * len(texts))(*texts)
            if library.nvrtcCompileProgram(program, len(texts), options):
                log = self._read(program, "ProgramLog").rstrip(b"\0").decode(errors="replace")
                raise _refused(self, arch, log)
            return self._read(program, "CUBIN")
        finally:
            library.nvrtcDestroyProgram(ctypes.byref(program))

    def _read(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._check(getattr(self._library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)), what)
        data = ctypes.create_string_buffer(size.value)
        self._check(getattr(self._library, f"nvrtcGet{what}")(program, data), what)
        return data.raw

    def _check(self, status: int, what: str) -> None:
        if status:
            raise ModelError(f"{describe(self)} fails ({what}: error {status})", hint="install it again")


@dataclass
class Nvcc:
    """The toolkit's compiler program, which needs a host compiler too."""

    program: str
    name = "nvcc"

    def __post_init__(self) -> None:
        said = _run([self.program, "--version"]).stdout
        found = re.search(r"release (\d+)\.(\d+)", said)
        if found is None:
            raise ModelError(f"{self.program} is not nvcc")
        self.version = int(found[1]), int(found[2])

    def compile(self, source: bytes, arch: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            text, cubin = Path(folder) / "decode.cu", Path(folder) / "decode.cubin"
            text.write_bytes(source)
            done = _run([self.program, "--cubin", f"--gpu-architecture={arch}", _STANDARD, "-o", str(cubin), str(text)])
            if done.returncode:
                raise _refused(self, arch, done.stderr)
            return cubin.read_bytes()


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ModelError(f"{command[0]}: {error.strerror or error}") from error


def _refused(compiler: Compiler, arch: str, log: str) -> ModelError:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    reason = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "it does not say why")
    return ModelError(
        f"{describe(compiler)} can't compile the decode kernel for {arch} ({reason})",
        hint="an older or newer CUDA toolkit knows that architecture",
    )
