"""Which CPU runtime serves under ``auto``: OpenVINO, where it is installed, sees what ONNX Runtime sees and is quicker.

The outcome is kept in the cache folder, by model, size, versions and processor, so that only the first start pays.
"""

from __future__ import annotations

import json
import logging
import platform
import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np

from edge_segnet.backends import openvino
from edge_segnet.backends.onnx import CpuOptions, OnnxBackend
from edge_segnet.backends.openvino import OpenVinoBackend
from edge_segnet.backends.reading import CpuModel, graph_for
from edge_segnet.core.errors import EdgeSegnetError, ModelError
from edge_segnet.core.files import cache_folder, write_bytes
from edge_segnet.core.types import Backend, CpuPrecision, Frame, Image
from edge_segnet.core.version import version_of
from edge_segnet.engine.golden import LEAST_AGREEMENT, agreement, golden_frame

logger = logging.getLogger(__name__)
LAPS: Final = 5
"""Frames that are timed; one before them is not. A second's work on a slow board at most decides for months."""
CpuBackend = OnnxBackend | OpenVinoBackend
WORTH_MS: Final = 4.0
"""A frame that takes ONNX Runtime less is not worth a second runtime's memory (some 100 MB) and start."""
CACHE_FILE: Final = "cpu-runtime.json"
MAX_KEPT: Final = 64
"""Outcomes in the cache; the oldest go first."""


@dataclass(frozen=True)
class Outcome:
    """Who won, a runtime or (of ``together``) a way, and why, in words. ``doubts``: how many starts in a row were too
    busy to tell; 0: it is settled.
    """

    runtime: str
    reason: str
    doubts: int = 0


def open_quickest(model: CpuModel, options: CpuOptions, precision: CpuPrecision) -> tuple[CpuBackend, str]:
    """The quickest CPU backend that sees what ONNX Runtime in float32 sees, and why it is that one.

    Raises:
        ModelError: neither can run the model.
    """
    if not openvino.installed():
        return OnnxBackend(model, options), "OpenVINO is not installed"
    key = key_of(model, options, precision)
    kept = recall(key, ("onnx", "openvino"))
    if kept is not None:
        try:
            return _open(kept.runtime, model, options, precision), kept.reason
        except ModelError as error:
            logger.warning("warning: %s, though it could before: racing again", error.message)
    # Should OpenVINO bring the program down, the next start does not try it again.
    remember(key, Outcome("onnx", "OpenVINO brought the program down when it was tried"))
    backend, outcome = _race(model, options, precision)
    remember(key, outcome)
    return backend, outcome.reason


def _open(runtime: str, model: CpuModel, options: CpuOptions, precision: CpuPrecision) -> CpuBackend:
    if runtime == "onnx":
        return OnnxBackend(model, options)
    return OpenVinoBackend(model, options.threads, precision)


def _race(model: CpuModel, options: CpuOptions, precision: CpuPrecision) -> tuple[CpuBackend, Outcome]:
    """One after the other, and neither spins: idle threads of ONNX Runtime would slow OpenVINO by half."""
    onnx = OnnxBackend(model, CpuOptions(options.threads, spinning=False))
    image = golden_frame(model.card.size, model.card.fit)
    seen = onnx.infer([_frame(image)])[0].labels
    onnx_ms = _lap_ms(onnx, image)
    if onnx_ms < WORTH_MS and precision == "auto":
        return _settled(onnx, options, model), Outcome("onnx", f"a frame takes {onnx_ms:.1f} ms, which is little")
    try:
        challenger = OpenVinoBackend(model, options.threads, precision)
    except ModelError as error:
        return _settled(onnx, options, model), Outcome("onnx", f"OpenVINO can't: {error.message}")
    try:
        alike = agreement(challenger.infer([_frame(image)])[0].labels, seen)
        other_ms = _lap_ms(challenger, image)
    except EdgeSegnetError as error:
        challenger.close()
        return _settled(onnx, options, model), Outcome("onnx", f"OpenVINO fails: {error.message}")
    facts = f"{challenger.name} {other_ms:.1f} ms a frame, onnx {onnx_ms:.1f} ms, {alike:.2%} of the labels alike"
    if alike >= LEAST_AGREEMENT and other_ms < onnx_ms:
        onnx.close()
        return challenger, Outcome("openvino", facts)
    challenger.close()
    why = "too few" if alike < LEAST_AGREEMENT else "not quicker"
    return _settled(onnx, options, model), Outcome("onnx", f"{facts}: {why}")


def _settled(onnx: OnnxBackend, options: CpuOptions, model: CpuModel) -> OnnxBackend:
    """The winner as it was asked for: the race's does not spin."""
    if not options.spinning:
        return onnx
    onnx.close()
    return OnnxBackend(model, options)


def _lap_ms(backend: Backend, image: Image) -> float:
    """Median time of a frame, ms."""
    times = []
    for _ in range(LAPS):
        started = time.perf_counter()
        backend.infer([_frame(image)])
        times.append(1e3 * (time.perf_counter() - started))
    return float(np.median(times))


def _frame(image: Image) -> Frame:
    return Frame(image, None, 0, time.monotonic_ns(), time.time(), "race")


def key_of(model: CpuModel, options: CpuOptions, precision: CpuPrecision, question: str = "") -> str:
    """What an outcome hangs on; ``question``: of other trials than the race."""
    facts: dict[str, object] = {"question": question} if question else {}
    facts |= {
        "model": model.sha256 or sha256(graph_for(model, "onnxruntime")).hexdigest(),
        "size": model.card.size,
        "precision": precision,
        "threads": options.threads,
        "versions": [version_of(name) for name in ("edge-segnet", "onnxruntime", "openvino")],
        "processor": _processor(),
        "machine code": openvino.code_can_be_made(),  # a drop-in may change that: then there is another race
    }
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _processor() -> str:
    """Its model name; Linux on Arm gives none there, the part number then."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    words = sorted({line for line in lines if line.startswith(("model name", "CPU part", "flags", "Features"))})
    return "\n".join([platform.machine(), *words])


def _kept() -> dict[str, dict[str, object]]:
    folder = cache_folder()
    if folder is None:
        return {}
    try:
        found = json.loads((folder / CACHE_FILE).read_bytes())
    except (OSError, ValueError, RecursionError):  # none yet, or damaged: then there is a race
        return {}
    return found if isinstance(found, dict) else {}


def recall(key: str, known: tuple[str, ...]) -> Outcome | None:
    """What came of it, if that was kept and is one of ``known``."""
    found = _kept().get(key)
    if not isinstance(found, dict) or found.get("runtime") not in known:
        return None
    doubts = found.get("doubts", 0)
    return Outcome(str(found["runtime"]), str(found.get("reason", "")), doubts if isinstance(doubts, int) else 0)


def remember(key: str, outcome: Outcome) -> None:
    """Keep what came of it; without a cache folder, nothing is kept."""
    folder = cache_folder()
    if folder is None:
        return
    newest = {**{name: value for name, value in _kept().items() if name != key}, key: asdict(outcome)}
    kept = dict(list(newest.items())[-MAX_KEPT:])
    try:
        write_bytes(folder / CACHE_FILE, json.dumps(kept, indent=1).encode())
    except EdgeSegnetError as error:
        logger.info("the race's outcome is not kept: %s", error.message)
