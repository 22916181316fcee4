"""OpenVINO on the CPU: the lowered form, in the precision that the processor is quick in, decoded in the graph."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from edge_segnet.backends.reading import CpuModel, check_precision, graph_for
from edge_segnet.backends.serial import SerialBackend
from edge_segnet.core.errors import ModelError, first_line
from edge_segnet.core.files import cache_folder
from edge_segnet.core.types import CpuPrecision
from edge_segnet.graph.model_files import DECODED

HINTS: Final[Mapping[str, str]] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
NATIVE: Final[Mapping[str, str]] = {"bf16": "BF16", "fp16": "FP16"}
"""Quickest first; what OpenVINO calls a processor that computes in it (OPTIMIZATION_CAPABILITIES). x86 with bf16 has
matrix units for it; where a processor has float16 alone, an Arm's, that is its quick one."""
INSTALL: Final = "pip install 'edge-segnet[openvino]', or take --backend onnx"
NO_JIT: Final = "the unit forbids code made at run time (MemoryDenyWriteExecute=): docs/service.md names a drop-in"


class OpenVinoBackend(SerialBackend):
    """The ``Backend`` of CPUs that OpenVINO is quick on."""

    def __init__(self, model: CpuModel, threads: int = 0, precision: CpuPrecision = "auto", batch: int = 1) -> None:
        """Compiles for this processor; ``threads`` 0 means one per core. ``batch``: of its graph, which takes just so
        many frames at once.

        Raises:
            ModelError: OpenVINO is not installed, can't compile the model, or processor or model has no such precision.
        """
        super().__init__(model, batch)
        if not code_can_be_made():
            raise ModelError("OpenVINO may not make machine code here", hint=NO_JIT)
        check_precision(model, precision)
        core = _core()
        whole = model.card.precision == "int8"
        rest = _chosen(core, "auto" if whole else precision, whole)
        self.precision = "int8" if whole else rest
        self.name = "openvino" if self.precision == "fp32" else f"openvino-{self.precision}"
        self.provenance: dict[str, Any] = {"precision": self.precision, "rest_in": rest, "threads": threads}
        """``rest_in``: what the layers of an INT8 model compute in that stayed in float."""
        self._request = _compiled(core, graph_for(model, "openvino", batch), threads, rest)

    def _run(self, pictures: Any) -> list[Any]:
        found = self._request.infer({"frame": pictures}, share_inputs=True, share_outputs=True)
        return [found[name] for name in DECODED]

    def _kept(self, found: list[Any]) -> list[Any]:
        return [np.array(value) for value in found]

    def _said(self, error: Exception) -> str:
        return f"in OpenVINO ({first_line(error)})"

    def close(self) -> None:
        """Free the compiled graph."""
        with self._lock:
            self._request = None


def installed() -> bool:
    """Whether OpenVINO can be imported; does not import it."""
    from importlib.util import find_spec

    return find_spec("openvino") is not None


def code_can_be_made() -> bool:
    """Its code generator needs memory that is writable, then executable. Where a unit forbids that, OpenVINO does not
    always say so: now and then its threads bring the process down.
    """
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except OSError:
        return False
    return True


def _core() -> Any:
    # Its converter, which comes with the import, reports to its maker; without this module it knows it must not.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise ModelError(f"OpenVINO can't be imported ({first_line(error)})", hint=INSTALL) from error
    return openvino.Core()


def quick_precisions() -> list[str]:
    """Below float32, what this processor computes in itself, quickest first; raises ModelError without OpenVINO."""
    return _quick(_able(_core()))


def _able(core: Any) -> set[str]:
    return set(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def _quick(able: set[str]) -> list[str]:
    return [precision for precision, name in NATIVE.items() if name in able]


def _chosen(core: Any, wish: CpuPrecision, whole: bool) -> str:
    """What the float layers compute in; ``whole``: there are int8 ones."""
    able = _able(core)
    quick = _quick(able)
    if whole and "INT8" not in able:
        raise ModelError("OpenVINO has no INT8 on this processor", hint="take the float32 model, or --backend onnx")
    if wish == "auto":
        return quick[0] if quick else "fp32"
    if wish != "fp32" and wish not in quick:
        # OpenVINO itself would compute in float32 then, and say nothing.
        known = " or ".join(["auto", "fp32", *quick])
        raise ModelError(f"this processor does not compute in {wish}", hint=f"take precision {known}")
    return wish


def _compiled(core: Any, model: bytes, threads: int, precision: str) -> Any:
    """An inference request of the compiled model.

    Raises:
        ModelError: OpenVINO refuses it.
    """
    config = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # A daemon shares its cores with capture and sinks: its threads go where there is room.
        "ENABLE_CPU_PINNING": False,
    }
    folder = cache_folder()
    if folder is not None:
        config["CACHE_DIR"] = str(folder / "openvino")
    try:
        return core.compile_model(core.read_model(model), "CPU", config).create_infer_request()
    except Exception as error:  # the runtime's border, as above
        hint = "export the model again, or take --backend onnx"
        raise ModelError(f"OpenVINO refuses the model ({first_line(error)})", hint=hint) from error
