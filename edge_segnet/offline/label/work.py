"""A worker's part of the work, whatever engine it belongs to: a model, and one task after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_segnet.backends.model import BackendKind, BackendOptions, open_model
from edge_segnet.core.errors import InputError, ModelError
from edge_segnet.core.soundness import require_valid
from edge_segnet.offline.label.parts import DONE, PartWriter, Where, part_path, parts_done
from edge_segnet.offline.label.plan import Format, Task
from edge_segnet.offline.label.reading import Taken, frames_of
from edge_segnet.pictures.shape import unfit_labels


@dataclass(frozen=True)
class Spec:
    """What every worker must know. ``sha256``: of the model file that all must have; ``backend`` is never ``auto``,
    because two workers might choose two.
    """

    model: str
    sha256: str
    backend: BackendKind
    size: tuple[int, int] | None
    out: str
    form: Format
    every_s: float | None


@dataclass
class Done:
    """What became of a task; ``broken``: why an item that is one task ended before its end."""

    name: str
    frames: int = 0
    broken: str = ""


class Labeller:
    """Labels tasks."""

    def __init__(self, spec: Spec) -> None:
        """Raises ModelError: it can't run here, or is another model than the driver's."""
        # One thread a worker: there is one worker per core, and the sum of products stays the same everywhere.
        self._model = open_model(spec.model, spec.size, spec.backend, BackendOptions(threads=1))
        if self._model.sha256 != spec.sha256:
            what = f"{spec.model} is another model here ({self._model.sha256[:12]}) than where the work began"
            raise ModelError(f"{what} ({spec.sha256[:12]})", hint="give every machine the same file")
        self._where = Where(Path(spec.out), spec.form, self._model.card.classes, spec.sha256)
        self._every_s = spec.every_s

    def run(self, task: Task, tell: Callable[[int], None] = lambda _frames: None) -> Done:
        """Label a task; ``tell`` is called with 1 for every frame. What is published stays, whatever happens.

        Raises:
            OutputError: the disk is full, or can't be written.
            ModelError: the network fails.
        """
        done, published = Done(task.item.name), parts_done(self._where.out, task.item)
        size, fit = self._model.backend.input_size, self._model.card.fit
        parts = _Parts(self._where, task, published)
        try:
            for found in frames_of(task, size, fit, self._every_s, published):
                if isinstance(found, str):
                    parts.note(found)
                    continue
                self._label(found, parts)
                done.frames += 1
                tell(1)
        except InputError as error:
            if task.stop is not None:
                parts.note(str(error))
            else:
                done.broken = str(error)
        parts.finish(whole=not done.broken)
        return done

    def _label(self, taken: Taken, parts: _Parts) -> None:
        model, frame = self._model, taken.frame
        (found,) = model.backend.infer([frame])
        require_valid(found, model.card.name)
        labels = unfit_labels(found.labels, frame.source_size, len(model.card.classes), model.card.fit)
        parts.of(taken.seq).add(taken, found, labels)

    def close(self) -> None:
        """Free the model."""
        self._model.backend.close()


class _Parts:
    """The parts of a task, one after the other."""

    def __init__(self, where: Where, task: Task, published: set[int]) -> None:
        self._where, self._task, self._published = where, task, published
        self._open: tuple[int, PartWriter] | None = None
        self._notes: list[str] = []

    def note(self, fault: str) -> None:
        """Something could not be read: it stands in the part in which that is noticed."""
        self._notes.append(fault)

    def of(self, seq: int) -> PartWriter:
        """The one that a frame belongs to; the one before is published."""
        part = seq // self._task.item.span
        if self._open is not None and self._open[0] != part:
            self._publish()
        if self._open is None:
            self._open = (part, PartWriter(self._where, self._task.item, part, self._task.first))
        return self._open[1]

    def _publish(self) -> None:
        assert self._open is not None
        self._open[1].publish(self._notes)
        self._notes = []
        self._published.add(self._open[0])
        self._open = None

    def finish(self, *, whole: bool) -> None:
        """Publish the last one; of an item in one task also that it was read to its end."""
        task = self._task
        if self._open is not None:
            self._publish()
        elif task.stop is not None and task.first // task.item.span not in self._published:
            # Not one frame of it was wanted, or good: that is known now as well.
            PartWriter(self._where, task.item, task.first // task.item.span, task.first).publish(self._notes)
        if whole and task.stop is None:
            marker = part_path(self._where.out, task.item, 0).with_name(DONE)
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()


def open_tasks(out: Path, tasks: Iterator[Task]) -> Iterator[Task]:
    """Those that are not done yet."""
    for task in tasks:
        item = task.item
        if task.stop is None:
            done = part_path(out, item, 0).with_name(DONE).exists()
        else:
            done = part_path(out, item, task.first // item.span).exists()
        if not done:
            yield task
