"""The training loop: draw, step, average, now and then validate, keep the best, survive a kill."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from edge_segnet.core.errors import ModelError
from edge_segnet.core.stats import Scores, class_weights, confusion, scores
from edge_segnet.pictures.shape import fit_image, unfit_labels
from edge_segnet.train import checkpoint as checkpoints
from edge_segnet.train.augment import Recipe, View
from edge_segnet.train.budget import Budget
from edge_segnet.train.checkpoint import Fingerprint, data_fingerprint
from edge_segnet.train.data import Drawing, Pairs, Stream, count_classes, limit_threads, rare_classes, to_tensor
from edge_segnet.train.loss import segmentation_loss
from edge_segnet.train.model import SegNet, normalise
from edge_segnet.train.optimise import amp_dtype, groups, moving_average, schedule

SAVE_EVERY_S: Final = 60.0
"""What a kill costs at most."""


@dataclass(frozen=True)
class Plan:
    """How to train. ``epochs`` or ``minutes`` bounds the run; the learning rate follows the share that is done."""

    size: tuple[int, int]
    crop: tuple[int, int]
    epochs: float | None = None
    minutes: float | None = None
    batch: int = 6
    rate: float = 2.5e-3
    encoder_rate: float = 0.2
    """Learning rate of the pretrained encoder, relative to the decoder's."""
    weight_decay: float = 0.02
    warmup: float = 0.03
    """Share of the run in which the learning rate rises."""
    balance: float = 0.5
    lovasz: float = 0.5
    average: float = 0.998
    synthetic: float = 0.0
    seed: int = 0
    start: float = 0.0
    """Where on the learning rate's schedule the run begins, 0..1: the start weights were taken from there."""
    validations: int = 25
    recipe: Recipe = field(default_factory=Recipe)

    @property
    def fingerprint(self) -> Fingerprint:
        """What of it a run that goes on must share; it may be longer."""
        free = ("epochs", "minutes", "validations")
        return {key: str(value) for key, value in asdict(self).items() if key not in free}


@dataclass(frozen=True)
class Progress:
    """One line of the learning curve."""

    done: float
    step: int
    seconds: float
    loss: float | None
    """Mean since the validation before; None where there was no step."""
    validation: Scores | None
    pictures: int = 0
    """How many were validated."""


Report = Callable[[Progress], None]


class Trainer:
    """Holds what a checkpoint holds: network, running average, optimiser, position, history, the best so far."""

    def __init__(
        self, network: SegNet, pairs: tuple[Pairs, Pairs], plan: Plan, device: torch.device, began: float
    ) -> None:
        """``pairs``: to train and to validate on; ``began``: see ``Budget``."""
        self.plan, self.device = plan, device
        self._train, self._val = pairs
        self.classes = network.architecture.classes
        self.network = network.to(device)
        self._averaged = AveragedModel(self.network, multi_avg_fn=moving_average(plan.average), use_buffers=True)
        self._optimiser = torch.optim.AdamW(
            groups(network, plan.rate, plan.encoder_rate, plan.weight_decay), lr=plan.rate
        )
        self._precision = amp_dtype(device)
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._precision is torch.float16)
        for each in pairs:
            each.decode()
        counted = count_classes(self._train, self.classes)
        self._rare = rare_classes(counted[0])
        self._weights = torch.from_numpy(class_weights(*counted, plan.balance)).to(device)
        self._fingerprint = {
            "pictures": data_fingerprint(self._train.pairs),
            "validation": data_fingerprint(self._val.pairs),
            "network": f"{network.architecture.name}, {self.classes} classes",
            **plan.fingerprint,
        }
        steps = max(round((plan.epochs or 1.0) * len(self._train) / plan.batch), 1)
        self.budget = Budget(plan.minutes, steps, began)
        self.step = 0
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] | None = None
        self.best_iou = -1.0
        self.waited_s = 0.0
        """Seconds in which the network had no pictures."""
        self._saved_at = time.monotonic()

    @property
    def average(self) -> SegNet:
        """The network with exponentially averaged weights: the one that is validated and exported."""
        module = self._averaged.module
        assert isinstance(module, SegNet)
        return module

    @property
    def pairs(self) -> dict[str, int]:
        """How many pairs it trains and validates on."""
        return {"train": len(self._train), "val": len(self._val)}

    def run(self, checkpoint: Path, report: Report) -> None:
        """Train to the end of the plan, from where the checkpoint (or the start) stands.

        Raises:
            InputError: a training file is broken.
            ModelError: the loss is no longer a number.
        """
        self._try_validation()
        if self.done >= 1.0:
            return
        planned = (math.floor(self.done * self.plan.validations) + 1) / self.plan.validations
        recent: list[float] = []
        asked = time.monotonic()
        for images, labels in self._batches():
            self.waited_s += time.monotonic() - asked
            recent.append(self._step(images, labels))
            report(Progress(self.done, self.step, self.budget.seconds, recent[-1], None))
            last = self.done >= 1.0
            if last or (self.done >= planned and self.budget.affords_validation(len(self._val))):
                planned = (math.floor(self.done * self.plan.validations) + 1) / self.plan.validations
                self.validate(float(np.mean(recent)), report)
                recent.clear()
                self.save(checkpoint)
            elif time.monotonic() - self._saved_at > SAVE_EVERY_S:
                self.save(checkpoint)
            if last:
                return
            asked = time.monotonic()

    @property
    def done(self) -> float:
        """Share of the plan that is done, 0..1."""
        return self.budget.done(self.step, len(self._val))

    def position_at(self, done: float) -> float:
        """Where on the schedule of learning rates the run stands when that share of it is done, 0..1: the model file
        records it, so that ``--init`` goes on there.
        """
        return self.plan.start + (1.0 - self.plan.start) * done

    def _try_validation(self) -> None:
        """Two pictures, the second timed: what the last validation will take."""
        self.evaluate(self.average, 1)
        started = time.monotonic()
        self.evaluate(self.average, 1)
        self.budget.validated(1, time.monotonic() - started)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        plan = self.plan
        view = View(plan.size, plan.crop)
        drawing = Drawing(view, self.classes, plan.seed, plan.synthetic, plan.recipe, self._rare)
        stream = Stream(self._train, drawing)
        order = _CountFrom(self.step * plan.batch)
        workers = 1 if self.device.type == "cpu" else 8
        # OpenCV's pool of threads, which a validation has made, does not survive the fork: a worker that ends it waits
        # for threads that it does not have. Ended here, there is none.
        cv2.setNumThreads(1)
        return iter(DataLoader(stream, plan.batch, sampler=order, num_workers=workers, worker_init_fn=limit_threads))

    def _step(self, images: Tensor, labels: Tensor) -> float:
        self.network.train()
        for group in self._optimiser.param_groups:
            group["lr"] = group["peak"] * schedule(self.position_at(self.done), self.plan.warmup)
        images = images.to(self.device, memory_format=torch.channels_last)
        labels = labels.to(self.device)
        with self._autocast():
            logits = self.network(normalise(images, self.network.architecture))
        loss = segmentation_loss(logits.float(), labels, self._weights, self.plan.lovasz)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ModelError(f"the loss became {value} at step {self.step}", hint="train with a lower learning rate")
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._optimiser)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self.step += 1
        self._averaged.update_parameters(self.network)
        return value

    def _autocast(self) -> torch.autocast:
        enabled = self._precision is not torch.float32
        return torch.autocast(self.device.type, self._precision if enabled else None, enabled=enabled)

    def validate(self, loss: float | None, report: Report) -> None:
        """Score the averaged weights, and keep them if no others were better."""
        pictures = self.budget.affordable(len(self._val))
        started = time.monotonic()
        result = self.evaluate(self.average, pictures)
        self.budget.validated(pictures, time.monotonic() - started)
        if result.mean_iou > self.best_iou or self.best is None:
            self.best_iou = result.mean_iou
            self.best = {name: value.detach().clone() for name, value in self.average.state_dict().items()}
        progress = Progress(self.done, self.step, self.budget.seconds, loss, result, pictures)
        self.history.append(asdict(progress))
        report(progress)

    @torch.no_grad()
    def evaluate(self, network: SegNet, pictures: int | None = None) -> Scores:
        """Score a network on the validation pairs, or on some of them evenly chosen, at label size, as ``edge-segnet
        evaluate`` does.
        """
        network.eval()
        matrix = np.zeros((self.classes, self.classes + 1), np.int64)
        chosen = np.linspace(0, len(self._val) - 1, pictures or len(self._val)).round().astype(int)
        for index in chosen:
            image, truth = self._val.read(int(index))
            batch = to_tensor(fit_image(image, self.plan.size))[None]
            batch = batch.to(self.device, memory_format=torch.channels_last)
            with self._autocast():
                logits = network(normalise(batch, network.architecture))
            labels = logits.argmax(1)[0].to(torch.uint8).cpu().numpy()
            fitted = unfit_labels(labels, (truth.shape[1], truth.shape[0]), self.classes)
            matrix += confusion(truth, fitted, self.classes)
        return scores(matrix)

    def save(self, path: Path) -> None:
        """Write everything that ``load`` needs."""
        state = {
            "network": self.network.state_dict(),
            "average": self._averaged.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "position": (self.step, self.budget.seconds),
            "finished": (self.plan.minutes or 0.0, self.budget.steps) if self.budget.reached >= 1.0 else None,
            "history": self.history,
            "best": (self.best_iou, self.best),
        }
        checkpoints.save(path, state, self._fingerprint)
        self._saved_at = time.monotonic()

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; raises ModelError, UsageError: it is broken, or belongs to another run."""
        state = checkpoints.load(path, self._fingerprint, self.device)
        self.network.load_state_dict(state["network"])
        self._averaged.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._scaler.load_state_dict(state["scaler"])
        self.step, self.budget.earlier_s = state["position"]
        finished = state["finished"]
        if finished and (self.plan.minutes or 0.0) <= finished[0] and self.budget.steps <= finished[1]:
            self.budget.reached = 1.0
        self.history = state["history"]
        self.best_iou, self.best = state["best"]


class _CountFrom(torch.utils.data.Sampler[int]):
    def __init__(self, first: int) -> None:
        self._first = first

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._first, 2**31))
