"""A labelling from its plan to its manifest."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import EdgeSegnetError, InputError, UsageError
from edge_segnet.core.files import output_error, read_file, write_bytes
from edge_segnet.core.version import VERSION
from edge_segnet.data import cvat
from edge_segnet.offline.label.parts import NAMED, part_path, parts_done, read_summary
from edge_segnet.offline.label.plan import MANIFEST, Item, Plan, Task
from edge_segnet.offline.label.work import Done, Spec, open_tasks

LOCK: Final = ".lock"
_LIMIT: Final = 1 << 30
Engine = Callable[[Iterator[Task], Callable[[int], None]], Iterator[Done]]


@dataclass
class Labelling:
    """What a run did. ``frames``: rows in the output; ``faults``: what could not be labelled, ``named`` some of it."""

    frames: int = 0
    faults: int = 0
    named: list[str] = field(default_factory=list)

    def fault(self, count: int, named: list[str]) -> None:
        """Something could not be labelled."""
        self.faults += count
        self.named += named[: max(0, NAMED - len(self.named))]


@contextmanager
def claimed(out: Path, spec: Spec, *, resume: bool) -> Iterator[None]:
    """The output folder is ours alone for so long.

    Raises:
        UsageError: there are labels already, those of other options, or somebody else is at it.
        OutputError: it can't be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = os.open(out / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise output_error(out, error) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f"-o {out}: another labelling is writing there") from error
        before = read_manifest(out) if (out / MANIFEST).exists() else None
        if before is not None and not resume:
            raise UsageError(
                f"-o {out}: there are labels already", hint="go on with --resume, or choose another folder"
            )
        if before is not None and before.get("options") != options_of(spec):
            what = f"-o {out}: the labels there are of other options ({_differing(before, spec)})"
            raise UsageError(what, hint="give the same, or choose another folder")
        _remove_leftovers(out)
        yield
    finally:
        os.close(lock)


def _remove_leftovers(out: Path) -> None:
    for left in out.rglob(".*.part.*"):
        left.unlink(missing_ok=True)


def _differing(before: dict[str, Any], spec: Spec) -> str:
    old, new = before.get("options") or {}, options_of(spec)
    return ", ".join(f"{key}: {old.get(key)}" for key in new if old.get(key) != new[key])


def options_of(spec: Spec) -> dict[str, Any]:
    """What labels depend on."""
    size = None if spec.size is None else list(spec.size)
    told = {"model_sha256": spec.sha256, "backend": spec.backend, "size": size}
    return {**told, "every_s": spec.every_s, "format": spec.form}


def read_manifest(out: Path) -> dict[str, Any]:
    """The manifest of an output folder; raises InputError."""
    path = out / MANIFEST
    try:
        told = json.loads(read_file(path, _LIMIT))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read ({error})", hint="it is not what 'edge-segnet label' wrote") from error
    if not isinstance(told, dict):
        raise InputError(f"{path}: not a manifest", hint="it is not what 'edge-segnet label' wrote")
    return told


def label(plan: Plan, spec: Spec, classes: ClassMap, engine: Engine, tell: Callable[[int], None]) -> Labelling:
    """Label what is not done yet, and write the manifest; raises as the engine does. Inside of ``claimed``."""
    out = Path(spec.out)
    _write_manifest(out, plan, spec, classes, {}, finished=False)
    broken: dict[str, str] = {}
    tasks = (task for item in plan.items for task in item.tasks())
    for done in engine(open_tasks(out, tasks), tell):
        if done.broken:
            broken[done.name] = done.broken
    if spec.form == "cvat":
        cvat.write_tables(out, classes, sorted(path.stem for path in (out / cvat.MASKS).glob("*.png")))
    return _write_manifest(out, plan, spec, classes, broken, finished=True)


def _write_manifest(
    out: Path, plan: Plan, spec: Spec, classes: ClassMap, broken: dict[str, str], *, finished: bool
) -> Labelling:
    """``finished``: everything was tried; then the parts are counted."""
    total = Labelling()
    total.fault(len(plan.failed), list(plan.failed))
    recordings = [
        _recording(out, item, broken.get(item.name, ""), total) if finished else _head(item) for item in plan.items
    ]
    document = {
        "schema": 1,
        "version": VERSION,
        "finished": finished,
        "model": spec.model,
        "options": options_of(spec),
        "classes": classes.to_dict(),
        "frames": total.frames if finished else None,
        "faults": total.faults if finished else None,
        "failed": list(plan.failed),
        "recordings": recordings,
    }
    write_bytes(out / MANIFEST, json.dumps(document, indent=1).encode())
    return total


def _head(item: Item) -> dict[str, Any]:
    return {"name": item.name, "robot": item.robot, "recording": item.uri, "topic": item.topic or None, "key": item.key}


def _recording(out: Path, item: Item, broken: str, total: Labelling) -> dict[str, Any]:
    frames = faults = 0
    named: list[str] = []
    for part in sorted(parts_done(out, item)):
        try:
            summary = read_summary(part_path(out, item, part))
        except EdgeSegnetError as error:
            faults, named = faults + 1, [*named, str(error)]
            continue
        frames, faults = frames + summary.rows, faults + summary.faults
        named += summary.named
    if broken:
        faults, named = faults + 1, [broken, *named]
    total.frames += frames
    total.fault(faults, named)
    return {**_head(item), "frames": frames, "faults": faults, "named": named[:NAMED]}
