"""``edge-segnet convert``."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import onnx
import typer

from edge_segnet.backends.model import read_any
from edge_segnet.backends.trial import readers, try_targets
from edge_segnet.cli.command import program
from edge_segnet.cli.common import choose, json_lines, read_classes
from edge_segnet.cli.options import Json, Size
from edge_segnet.core.errors import ModelError, UsageError
from edge_segnet.core.files import write_bytes
from edge_segnet.core.size import MAX_BATCH, parse_optional, parse_size
from edge_segnet.graph import card as cards
from edge_segnet.graph.foreign import canonicalise, load_spec
from edge_segnet.graph.head import Decode, Head
from edge_segnet.graph.lower import Lowered, Precision, Target, lower
from edge_segnet.graph.resize import resize
from edge_segnet.graph.view import Wiring

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Convert:
    """Write the form of a model that a runtime can run: index pooling is rewritten exactly.

    edge-segnet convert in.onnx -o out.onnx --for tensorrt --precision fp16

    edge-segnet convert foreign.onnx --spec foreign.yaml -o model.onnx
    """

    model: Annotated[Path, typer.Argument(metavar="IN.onnx")]
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.onnx")]
    target: Annotated[
        str | None,
        typer.Option("--for", metavar="TARGET", help="onnxruntime, tensorrt, openvino or opencv; left out: canonical."),
    ] = None
    precision: Annotated[
        str, typer.Option(metavar="KIND", help="fp32, fp16, or int8: an INT8 model, the rest in float16.")
    ] = "fp32"
    head: Annotated[str, typer.Option(metavar="KIND", help="logits, labels, or decode: labels, margins and sums.")] = (
        "logits"
    )
    size: Size = None
    batch: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=MAX_BATCH, help="Frames at once; tensorrt takes fewer, too."),
    ] = 1
    spec: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Describes a foreign model; makes it canonical first.")
    ] = None
    json: Json = None

    def run(self) -> None:
        """Make a foreign model canonical (``spec``), lower it for a runtime (``target``), or both.

        Raises:
            ModelError: the model can't be read or rewritten.
            UsageError: nothing was asked for, or a flag has an unknown value.
        """
        _check(self)
        model = read_any(str(self.model)).proto
        report: list[str] = []
        if self.spec is not None:
            model, made = _canonical(model, self.spec, self.out.stem)
            report.append(made)
        if self.target is not None:
            lowered = self._lowered(model, cast(Target, self.target))
            model = lowered.model
            report.extend(lowered.report)
        elif self.size is not None:
            model = resize(Wiring(model), parse_size(self.size)).model
            report.append(f"network size is now {self.size}")
        refused = {} if self.target is not None else _try(model)
        write_bytes(self.out, model.SerializeToString())
        with json_lines(self.json) as emit:
            emit(
                {
                    "output": str(self.out),
                    "target": self.target,
                    "precision": self.precision,
                    "head": self.head,
                    "batch": self.batch,
                    "report": report,
                    "refused": refused,
                }
            )
        for line in [*report, f"{self.model} -> {self.out}"]:
            logger.info("%s", line)

    def _lowered(self, model: onnx.ModelProto, target: Target) -> Lowered:
        return lower(
            model,
            target,
            precision=cast(Precision, self.precision),
            head=cast(Head, self.head),
            decode=_decode(model),
            size=parse_optional(self.size),
            batch=self.batch,
        )


def _canonical(model: onnx.ModelProto, spec: Path, name: str) -> tuple[onnx.ModelProto, str]:
    """The model that ``spec`` describes, with a card, and what was done."""
    description = load_spec(spec)
    classes = read_classes(description.classes, spec.parent, f"{spec}: classes: ")
    void = description.void is not None
    made = canonicalise(model, description, class_count=len(classes))
    also = " and void" if void else ""
    words = f"made canonical: frame uint8 BGR -> logits, {len(classes)} classes of {classes.name}{also}"
    return cards.attach(made, name=name, classes=classes, void_output=void).proto, words


def _try(model: onnx.ModelProto) -> dict[str, str]:
    """Which targets will refuse the model, and why; raises ModelError: all of them."""
    answers = try_targets(model)
    refused: dict[str, str] = {target: reason for target, reason in answers.items() if reason}
    if len(refused) == len(answers):
        raise ModelError(f"no runtime takes this model: {refused['onnxruntime']}")
    for target, reason in refused.items():
        logger.warning("%s will refuse this model: %s", target, reason)
    taken = [target for target in answers if target not in refused]
    read = [target for target in readers() if target not in refused]
    logger.info("tried: can be written for %s; read here by %s", ", ".join(taken), ", ".join(read) or "none")
    return refused


def _decode(proto: onnx.ModelProto) -> Decode:
    """What a model's card says of its decode; any other ONNX file has none."""
    if not any(entry.key.startswith(cards.KEY) for entry in proto.metadata_props):
        return Decode()
    card = cards.read(proto, "the model")
    return Decode(card.temperature, len(card.classes))


def _check(asked: Convert) -> None:
    """Raises UsageError for what can't be meant."""
    if asked.target is None and asked.spec is None and asked.size is None:
        raise UsageError("convert: nothing to do", hint="give --for TARGET, --spec FILE.yaml or --size WxH")
    parse_optional(asked.size)
    choose("--precision", asked.precision, Precision)
    choose("--head", asked.head, Head)
    if asked.target is not None:
        choose("--for", asked.target, Target)
    elif (asked.precision, asked.head) != ("fp32", "logits"):
        raise UsageError("--precision and --head need --for TARGET", hint="canonical models are fp32 with logits")
    elif asked.batch > 1:
        raise UsageError("--batch needs --for TARGET", hint="canonical models are for one frame")


app = program("convert", Convert)
