"""``edge-segnet train``."""

from __future__ import annotations

import logging
import math
import sys
import time
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edge_segnet.cli.command import program
from edge_segnet.cli.common import choose, json_lines, progress_bar, read_classes
from edge_segnet.cli.options import Ignored, Json, OutModel
from edge_segnet.core.classes import CAMVID_11, ClassMap
from edge_segnet.core.errors import UsageError
from edge_segnet.core.size import MIN_SIZE, parse_size
from edge_segnet.data.pairs import Pair, find_pairs
from edge_segnet.graph import card as cards
from edge_segnet.graph.segnet import ARCHITECTURES

if TYPE_CHECKING:
    from edge_segnet.train.loop import Plan, Progress, Trainer

logger = logging.getLogger(__name__)
CROP_SHARE = 0.9


@dataclass(frozen=True)
class Train:
    """Train a model (extra 'train'). A stopped run goes on from OUT.ckpt when the same command is given again."""

    images: Annotated[Path, typer.Option(metavar="DIR", help="Training pictures.")]
    labels: Annotated[Path, typer.Option(metavar="DIR", help="Their label PNGs.")]
    out: OutModel
    val_images: Annotated[Path | None, typer.Option(metavar="DIR", help="Validation pictures.")] = None
    val_labels: Annotated[Path | None, typer.Option(metavar="DIR", help="Their label PNGs.")] = None
    leave_out: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Validate on the training pictures of these names ('0006R0*') instead."),
    ] = None
    arch: Annotated[str, typer.Option(metavar="NAME", help="segnet, segnet-basic or segnet-lite.")] = "segnet-lite"
    classes: Annotated[
        str, typer.Option(metavar="MAP", help="Class map: a name, a YAML file or a 256x1 palette PNG.")
    ] = "camvid-11"
    void: Ignored = None
    size: Annotated[str, typer.Option(metavar="WxH", help="Network size.")] = "480x360"
    crop: Annotated[str | None, typer.Option(metavar="WxH", help="What one sample shows; about 90 % of --size.")] = None
    epochs: Annotated[float | None, typer.Option(metavar="N", min=0.0, help="Passes over the training pictures.")] = (
        None
    )
    minutes: Annotated[
        float | None, typer.Option(metavar="M", min=0.0, help="Time for everything, validation included.")
    ] = None
    batch: Annotated[int, typer.Option(metavar="N", min=2, help="Samples per step.")] = 6
    rate: Annotated[float, typer.Option(metavar="R", min=0.0, help="Peak learning rate of the decoder.")] = 2.5e-3
    encoder_rate: Annotated[
        float, typer.Option(metavar="X", min=0.0, help="The encoder's rate, relative to the decoder's.")
    ] = 0.2
    init: Annotated[str | None, typer.Option(metavar="MODEL", help="Start from this model file or shipped model.")] = (
        None
    )
    encoder_weights: Annotated[Path | None, typer.Option(metavar="FILE", help="ImageNet weights for the encoder.")] = (
        None
    )
    synthetic: Annotated[
        float, typer.Option(metavar="X", min=0.0, max=1.0, help="Share of rendered street samples.")
    ] = 0.0
    validations: Annotated[int, typer.Option(metavar="N", min=1, help="How often the validation pairs are scored.")] = (
        25
    )
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Makes a run repeatable.")] = 0
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda.")] = "auto"
    licence: Annotated[str, typer.Option(metavar="TEXT", help="What the data's licence asks of the model's users.")] = (
        ""
    )
    finish: Annotated[bool, typer.Option("--finish", help="Train no more: write the best that the checkpoint has.")] = (
        False
    )
    json: Json = None

    def run(self) -> None:
        """Train, or go on with a run that was stopped, and export the network that was best on the validation pairs.

        Raises:
            UsageError: torch is missing, or a flag is wrong.
            InputError: the data is incomplete or broken.
            ModelError: the start weights don't fit, or training diverged.
        """
        began = time.monotonic()
        if self.arch not in ARCHITECTURES:
            raise UsageError(f"--arch {self.arch}: unknown", hint=f"one of: {', '.join(ARCHITECTURES)}")
        if self.out.suffix != ".onnx":
            raise UsageError(f"-o {self.out}: a model file ends in .onnx")
        try:
            import torch
        except ImportError as error:
            raise UsageError("train needs torch", hint="pip install 'edge-segnet[train]'") from error
        torch.manual_seed(self.seed)
        classes = read_classes(self.classes)
        if self.finish and not self.checkpoint.exists():
            raise UsageError(f"--finish: there is no {self.checkpoint}", hint="nothing was trained there yet")
        trainer = _prepare(self, classes, began)
        if self.checkpoint.exists():
            trainer.load(self.checkpoint)
            _say_where(trainer, self)
        if not self.finish:
            self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            _train(self, trainer)
        _export(self, classes, trainer)

    @property
    def checkpoint(self) -> Path:
        return self.out.with_suffix(".ckpt")


def _say_where(trainer: Trainer, request: Train) -> None:
    done = 100 * trainer.done
    if done < 100.0:
        verb = "finishing" if request.finish else "going on from"
        logger.info("%s %s at %.1f %%", verb, request.checkpoint, done)
    else:
        logger.info("%s is finished; a larger --minutes or --epochs goes on from there", request.checkpoint)


def _train(request: Train, trainer: Trainer) -> None:
    try:
        with progress_bar("train", 1000) as advance:
            trainer.run(request.checkpoint, lambda progress: _report(progress, advance))
        if trainer.step == 0:
            logger.warning("warning: the time was over before the first step: the weights are what it started from")
        share = trainer.waited_s / max(trainer.budget.seconds, 1e-9)
        logger.info("the network waited for pictures %.1f %% of the time", 100 * share)
    except (KeyboardInterrupt, SystemExit):
        if request.checkpoint.exists():
            logger.info(
                "stopped at %.1f %%; the same command goes on from %s, and with --finish it writes the best so far",
                100 * trainer.done, request.checkpoint,
            )  # fmt: skip
        else:
            logger.info("stopped at %.1f %%, before there was a checkpoint", 100 * trainer.done)
        raise


def _plan(request: Train) -> Plan:
    from edge_segnet.train.loop import Plan

    if (request.epochs is None) == (request.minutes is None):
        raise UsageError("train: how long?", hint="give either --epochs or --minutes")
    size = parse_size(request.size)
    crop = parse_size(request.crop, "--crop") if request.crop else _crop(size)
    if min(size + crop) < MIN_SIZE:
        raise UsageError(f"--size {request.size}: too small", hint=f"size and crop are at least {MIN_SIZE}x{MIN_SIZE}")
    return Plan(
        size=size,
        crop=crop,
        epochs=request.epochs,
        minutes=request.minutes,
        batch=request.batch,
        rate=request.rate,
        encoder_rate=request.encoder_rate,
        synthetic=request.synthetic,
        validations=request.validations,
        seed=request.seed,
    )


def _crop(size: tuple[int, int]) -> tuple[int, int]:
    """90 % of the network size, in multiples of 32, so that no pooling meets an odd map."""
    width, height = (max(32, 32 * round(CROP_SHARE * side / 32)) for side in size)
    return width, height


def _prepare(request: Train, classes: ClassMap, began: float) -> Trainer:
    from edge_segnet.train.data import Pairs
    from edge_segnet.train.loop import Trainer
    from edge_segnet.train.model import SegNet
    from edge_segnet.train.start import device_of, start_from
    from edge_segnet.train.weights import load_encoder

    plan = _plan(request)
    if plan.synthetic and classes.names != CAMVID_11.names:
        raise UsageError(f"--synthetic: the street has CamVid's 11 classes, not {classes.name}", hint="leave it out")
    void = len(classes) if request.void is None else request.void
    train, val = (Pairs(pairs, len(classes), void) for pairs in _split(request))
    network = SegNet(ARCHITECTURES[request.arch](len(classes)))
    if request.encoder_weights is not None:
        filled = load_encoder(network, request.encoder_weights)
        logger.info("%d encoder convolutions from %s", filled, request.encoder_weights)
    if request.init is not None:
        plan = replace(plan, start=start_from(network, request.init, classes, train, plan))
    choose("--device", request.device, Literal["auto", "cpu", "cuda"])
    trainer = Trainer(network, (train, val), plan, device_of(request.device), began)
    logger.info(
        "%s, %d classes, %d training and %d validation pairs, on %s",
        request.arch, len(classes), len(train), len(val), trainer.device,
    )  # fmt: skip
    return trainer


def _split(request: Train) -> tuple[list[Pair], list[Pair]]:
    """Pairs to train and to validate on.

    Raises:
        UsageError: validation pairs are not named, or named twice; a pattern fits none or all of the pictures.
    """
    pairs = find_pairs(request.images, request.labels)
    if (request.leave_out is None) == (request.val_images is None and request.val_labels is None):
        raise UsageError(
            "train: what to validate on?", hint="give --val-images and --val-labels, or --leave-out PATTERN"
        )
    if request.leave_out is None:
        if request.val_images is None or request.val_labels is None:
            raise UsageError("--val-images and --val-labels go together", hint="give both")
        return pairs, find_pairs(request.val_images, request.val_labels)
    left = [pair for pair in pairs if fnmatchcase(pair.image.name, request.leave_out)]
    if len(left) in (0, len(pairs)):
        what = "all" if left else "none"
        raise UsageError(
            f"--leave-out {request.leave_out}: fits {what} of the {len(pairs)} pictures in {request.images}"
        )
    return [pair for pair in pairs if pair not in left], left


def _report(progress: Progress, advance: Any) -> None:
    if progress.loss is None:
        return
    advance(completed=round(1000 * progress.done), description=f"train, loss {progress.loss:.3f}")
    if progress.validation is not None:
        scores = progress.validation
        logger.info(
            "%5.1f %%  step %d  %.1f min  loss %.3f  val mean IoU %.2f %%  global %.2f %%  (%d pictures)",
            100 * progress.done, progress.step, progress.seconds / 60, progress.loss,
            100 * scores.mean_iou, 100 * scores.global_accuracy, progress.pictures,
        )  # fmt: skip


def _export(request: Train, classes: ClassMap, trainer: Trainer) -> None:
    from edge_segnet.train.curves import plot
    from edge_segnet.train.export import export

    if not trainer.history:
        trainer.validate(None, lambda _progress: None)
    network = trainer.average
    if trainer.best is not None:
        network.load_state_dict(trainer.best)
    best = max(trainer.history, key=lambda entry: _or_zero(entry["validation"]["mean_iou"]))
    provenance = {
        "command": "edge-segnet train",
        "init": request.init or "",
        "encoder_weights": request.encoder_weights.name if request.encoder_weights else "",
        "steps": best["step"],
        "position": trainer.position_at(best["done"]),
        "batch": request.batch,
        "synthetic": request.synthetic,
        "rate": request.rate,
        "validation": {key: best["validation"][key] for key in ("mean_iou", "global_accuracy", "class_accuracy")},
        "pairs": trainer.pairs,
    }
    model = export(network.cpu(), classes, trainer.plan.size, licence=request.licence, provenance=provenance)
    cards.save(model, request.out)
    curves = request.out.with_suffix(".curves.png")
    plot(trainer.history, curves, f"{request.arch}, best validation mean IoU {100 * trainer.best_iou:.1f} %")
    with json_lines(request.json) as emit:
        document = {"output": str(request.out), "curves": str(curves), "best": best, "history": trainer.history}
        emit(_without_nan(document))
    print(f"{request.out}, {curves}", file=sys.stderr)  # noqa: T201


def _without_nan(value: Any) -> Any:
    """JSON has no NaN; a class that never occurred has IoU null."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


app = program("train", Train)
