"""``bench --backend all``: every runtime that is here, each in a process of its own, in turns.

In one process they would measure each other: idle threads of ONNX Runtime slow OpenVINO by half.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from edge_segnet.backends import openvino
from edge_segnet.backends.model import read_model
from edge_segnet.bench.report import Distribution, Race, Racer, Report, distribution, read_report
from edge_segnet.core.errors import EdgeSegnetError, ModelError
from edge_segnet.cuda.probe import find_gpu

logger = logging.getLogger(__name__)
TURNS: Final = 3
"""A machine that grows warm or busy meanwhile treats all alike."""
SPARE_S: Final = 300.0
"""For a child's start, compilation and report, beyond its measured time."""


@dataclass(frozen=True)
class Entrant:
    """A model and a backend in a precision, as the command line names them."""

    model: str
    backend: str
    precision: str = "auto"
    reference: str | None = None

    @property
    def flags(self) -> list[str]:
        compared = [] if self.reference is None else ["--reference", self.reference]
        return ["--model", self.model, "--backend", self.backend, "--precision", self.precision, *compared]


def entrants(model: str, int8: Path | None = None) -> list[Entrant]:
    """What can run here: ONNX Runtime always, OpenVINO in float32 and in what the processor is quick in, a GPU; and the
    model's INT8 form ``int8``, whose labels are compared with the model's.

    Raises:
        ModelError: ``int8`` is no INT8 model.
    """
    if int8 is not None and not _is_int8(str(int8)):
        raise ModelError(f"{int8}: no INT8 model", hint="make one: edge-segnet quantize")
    found = [Entrant(model, "onnx")]
    if openvino.installed():
        known = ("auto",) if _is_int8(model) else ("fp32", *openvino.quick_precisions())
        found += [Entrant(model, "openvino", precision) for precision in known]
    else:
        logger.info("openvino is not installed: left out")
    try:
        find_gpu()
    except ModelError as error:
        logger.info("tensorrt is left out: %s", error.message)
    else:
        found.append(Entrant(model, "tensorrt"))
    if int8 is not None:
        found += [
            replace(one, model=str(int8), precision="auto", reference=model)
            for one in {entrant.backend: entrant for entrant in found}.values()
        ]
    return found


def _is_int8(model: str) -> bool:
    """Of a file that can't be read nobody knows; who runs it says why not."""
    try:
        return read_model(model).card.precision == "int8"
    except ModelError:
        return False


def run(arguments: Sequence[str], seconds: float, racing: Sequence[Entrant]) -> Race:
    """Have all of them measured; ``arguments`` of ``bench`` go to each, which measures ``seconds`` in all.

    Raises:
        ModelError: none of them could run the model.
    """
    reports: dict[Entrant, list[Report]] = {entrant: [] for entrant in racing}
    failed: dict[Entrant, str] = {}
    with tempfile.TemporaryDirectory(prefix="edge-segnet-race.") as folder:
        for turn in range(TURNS):
            for number, entrant in enumerate(one for one in reports if one not in failed):
                out = Path(folder) / f"{turn}-{number}.json"
                flags = [*arguments, *entrant.flags, "--seconds", str(seconds / TURNS), "--json", str(out)]
                try:
                    reports[entrant].append(_measured(flags, out, seconds))
                except EdgeSegnetError as error:
                    failed[entrant] = error.message
    for entrant, reason in failed.items():
        logger.warning("warning: left out: %s: %s", " ".join(entrant.flags), reason)
    racers = tuple(_racers(reports))
    if not racers:
        raise ModelError(f"no runtime here runs the model ({next(iter(failed.values()))})")
    return Race(turns=TURNS, provenance=next(made[0] for made in reports.values() if made).provenance, race=racers)


def _measured(flags: Sequence[str], out: Path, seconds: float) -> Report:
    command = [sys.executable, "-m", "edge_segnet", "bench", *flags]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=seconds + SPARE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"had not ended after {error.timeout:.0f} s") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or [f"exit code {done.returncode}"]
        raise ModelError(lines[-1].partition("error: ")[2] or lines[-1])
    return read_report(out)


def _racers(reports: dict[Entrant, list[Report]]) -> Iterator[Racer]:
    for made in reports.values():
        if len(made) == TURNS:
            yield Racer(backend=made[0].provenance.backend, network_ms=_network(made), agreement=made[0].agreement)


def _network(reports: Sequence[Report]) -> Distribution:
    """Of the bare network, all turns together: the loop around it is the same for all."""
    return distribution([value for report in reports if report.bare is not None for value in report.bare.samples_ms])
