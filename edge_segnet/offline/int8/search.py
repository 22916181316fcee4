"""Finds the INT8 form of a model: the way to cut ranges that loses least, and the fewest layers left in float that the
gate asks for.

    histograms --each method, all layers--> the best method --each layer alone--> table --gate--> fewest kept in float
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import onnx

from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import Frame
from edge_segnet.graph import card as cards
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.graph.quantise import Layer, is_quantised, layers, quantise
from edge_segnet.offline.int8.gate import Gate, Verdict
from edge_segnet.offline.int8.ranges import METHODS, Histogram, Method, measure
from edge_segnet.offline.int8.sensitivity import Loss, Probe, Row, rows, worst_first

PROBED: Final = 4
"""Frames on which methods and layers are compared: a net of 60 layers runs 250 times for its table."""
JUDGED: Final = 4
"""One frame in so many judges, and gives no ranges."""
MOST_KEPT: Final = 0.5
"""Share of the layers that may stay in float: beyond it, it is no INT8 model."""
Advance = Callable[..., None]


@dataclass(frozen=True)
class Found:
    """``model`` is None where the gate held for nothing that there was time to try."""

    model: OnnxModel | None
    method: Method
    methods: Mapping[Method, Loss]
    table: Sequence[Row]
    verdict: Verdict
    frames: int
    in_time: bool

    @property
    def kept(self) -> list[str]:
        """Names of the layers that stay in float."""
        return [row.layer.name for row in self.table if not row.int8]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        verdict = self.verdict
        return {
            "frames": self.frames,
            "method": self.method,
            "methods": {name: {"error": loss.error, "flipped": loss.flipped} for name, loss in self.methods.items()},
            "gate": {
                "what": verdict.what,
                "measured": round(verdict.measured, 4),
                "bound": verdict.bound,
                "holds": verdict.holds,
                **verdict.facts,
            },
            "in_time": self.in_time,
            "kept": self.kept,
            "layers": [row.to_dict() for row in self.table],
        }


def split(frames: Sequence[Frame]) -> tuple[list[Frame], list[Frame]]:
    """Those that give ranges, and those that judge."""
    judging = list(frames[JUDGED - 1 :: JUDGED])
    return [frame for number, frame in enumerate(frames) if number % JUDGED != JUDGED - 1], judging


def check(model: OnnxModel) -> None:
    """Raises ModelError: it is INT8 already, or has nothing that could be."""
    where = str(model.path or model.card.name)
    if is_quantised(model.proto):
        raise ModelError(f"{where}: quantised already", hint="give the float32 model that it was made from")
    if not layers(model.shapes):
        raise ModelError(f"{where}: no convolution with fixed weights, so nothing can be quantised")


class Search:
    """One model, its frames and a gate; ``deadline``: on the monotonic clock, None for as long as it takes."""

    def __init__(self, model: OnnxModel, frames: Sequence[Frame], gate: Gate, deadline: float | None = None) -> None:
        self._model, self._frames, self._gate, self._deadline = model, frames, gate, deadline
        self._view = model.shapes
        self._layers = layers(self._view)
        self._ranging, judging = split(frames)
        self._probe = Probe(model.proto, judging[:PROBED])

    def run(self, advance: Advance) -> Found:
        """Search; ``advance`` is told of every step.

        Raises:
            ModelError: the model computes no numbers, or can't be quantised.
        """
        advance(description="ranges", total=len(self._ranging), completed=0)
        histograms = measure(self._model, sorted({layer.source for layer in self._layers}), self._ranging, advance)
        advance(description="methods", total=len(METHODS), completed=0)
        methods = {method: self._loss(histograms, method, self._layers, advance) for method in METHODS}
        method = min(METHODS, key=lambda one: methods[one].error)
        advance(description="layers", total=len(self._layers), completed=0)
        table = rows(self._layers, lambda layer: self._loss(histograms, method, [layer]), self._in_time, advance)
        advance(description="gate", total=len(self._layers), completed=0)
        found, table, verdict = self._fewest(lambda kept: self._with(histograms, method, kept), table, advance)
        made = None if found is None else self._described(found, method, table, verdict)
        return Found(made, method, methods, table, verdict, len(self._frames), self._in_time())

    def _in_time(self) -> bool:
        return self._deadline is None or time.monotonic() < self._deadline

    def _with(self, histograms: Mapping[str, Histogram], method: Method, kept: Collection[str]) -> onnx.ModelProto:
        return self._made(histograms, method, [layer for layer in self._layers if layer.name not in kept])

    def _made(self, histograms: Mapping[str, Histogram], method: Method, chosen: Sequence[Layer]) -> onnx.ModelProto:
        cuts = {layer.source: histograms[layer.source].cut(method) for layer in chosen}
        return quantise(self._view, cuts, [layer.name for layer in chosen])

    def _loss(
        self,
        histograms: Mapping[str, Histogram],
        method: Method,
        chosen: Sequence[Layer],
        advance: Advance | None = None,
    ) -> Loss:
        loss = self._probe.loss(self._made(histograms, method, chosen))
        if advance is not None:
            advance()
        return loss

    def _fewest(
        self, make: Callable[[Collection[str]], onnx.ModelProto], table: list[Row], advance: Advance
    ) -> tuple[onnx.ModelProto | None, list[Row], Verdict]:
        """The worst layers go back to float, twice as many each time, until the gate holds; then as few as do."""
        order = [row.layer.name for row in worst_first(table)]
        best: tuple[onnx.ModelProto, int, Verdict] | None = None
        failing, count, tried = -1, 0, 0
        verdict: Verdict | None = None
        while verdict is None or self._in_time():
            model = make(order[:count])
            verdict, tried = self._gate.judge(replace(self._model, proto=model, view=None, sha256="")), count
            advance(completed=count)
            if verdict.holds:
                best = model, count, verdict
            else:
                failing = count
            following = self._following(failing, None if best is None else best[1])
            if following is None:
                break
            count = following
        found: tuple[onnx.ModelProto | None, int, Verdict] = best or (None, tried, verdict)
        kept = set(order[: found[1]])
        return found[0], [replace(row, int8=row.layer.name not in kept) for row in table], found[2]

    def _following(self, failing: int, holding: int | None) -> int | None:
        """How many layers to keep next, between what fails and what holds; None: nothing is left to try."""
        if holding is not None:
            return (failing + holding) // 2 if holding - failing > 1 else None
        most = math.ceil(MOST_KEPT * len(self._layers))
        return min(max(1, 2 * failing), most) if failing < most else None

    def _described(self, proto: onnx.ModelProto, method: Method, table: Sequence[Row], verdict: Verdict) -> OnnxModel:
        told = {
            "from": self._model.sha256,
            "pictures": len(self._frames),
            "ranges": method,
            "gate": f"{verdict}",
            **verdict.facts,
            "float_layers": [row.layer.name for row in table if not row.int8],
        }
        return cards.requantised(self._model, proto, told)
