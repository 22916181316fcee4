"""What ``edge-segnet label`` has written, as inputs of ``pick``: the rows say which frames are worth another look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.errors import InputError, ModelError, UsageError
from edge_segnet.core.extras import here
from edge_segnet.core.selection import SEEN, rarity, spread
from edge_segnet.offline.label.plan import FRAMES, MANIFEST
from edge_segnet.offline.pick import Look, Wish
from edge_segnet.sources import describe

_COLUMNS: Final = ("robot", "recording", "topic", "seq", "time_ns", "model_sha256", "low_margin", "unfamiliar")


def is_labelled(folder: Path) -> bool:
    """Whether a folder is one that ``label`` has written."""
    return (folder / MANIFEST).is_file() and (folder / FRAMES).is_dir()


@dataclass(frozen=True)
class Rows:
    """The chosen rows as inputs; ``total``: all there are; ``models``: SHA-256 of who labelled them."""

    looks: list[Look]
    total: int
    models: frozenset[str]


def read_rows(folder: Path, wish: Wish) -> Rows:
    """The best rows by what is wished, thinned out in time, as inputs that are read at these frames alone.

    Disagreement is not in the rows: then every labelled frame is one to look at.

    Raises:
        InputError: there are no rows, or a recording is not there any more.
        ModelError: the rows don't say how unfamiliar a frame is.
        UsageError: pyarrow is missing.
    """
    table = _read(folder)
    count = len(table["seq"])
    order, scores = list(range(count)), np.zeros(count)
    if wish.by != "disagreement":
        scores = _scores(table, wish)
        order = np.argsort(-scores, kind="stable").tolist()
    kept = _thinned(order, table, wish)
    if wish.by != "disagreement":
        robots = [robot or "" for robot in table["robot"]]
        groups = [(one, f"{one}/{name}") for one, name in zip(robots, table["recording"], strict=True)]
        kept = spread(kept, groups, SEEN * wish.count, scores.tolist())  # the rows alone know nothing of likeness
    wanted: dict[tuple[str, str, str], set[int]] = {}
    for place in kept:
        where = (table["recording"][place], table["topic"][place] or "", table["robot"][place] or "")
        wanted.setdefault(where, set()).add(int(table["seq"][place]))
    looks = [_look(*where, frozenset(seqs)) for where, seqs in sorted(wanted.items())]
    return Rows(looks, count, frozenset(table["model_sha256"]))


def _read(folder: Path) -> dict[str, list[Any]]:
    try:
        import pyarrow
        import pyarrow.dataset as datasets
    except ImportError as error:
        raise UsageError(f"{folder}: what label wrote needs pyarrow", hint=here("pip install pyarrow")) from error
    try:
        found = datasets.dataset(str(folder / FRAMES), format="parquet")
        classes = [name for name in found.schema.names if name.startswith("classes.") and name.endswith(".share")]
        table = found.to_table(columns=[*_COLUMNS, *classes]).to_pydict()
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        what = " ".join(str(error).split())
        raise InputError(f"{folder / 'frames'}: can't be read ({what})", hint="label again, with --resume") from error
    if not table["seq"]:
        raise InputError(f"{folder / 'frames'}: no rows", hint="label something first")
    return dict(table)


def _scores(table: dict[str, list[Any]], wish: Wish) -> NDArray[np.float64]:
    if wish.by == "rarity":
        shares = [values for name, values in table.items() if name.startswith("classes.")]
        return rarity(np.array(shares, np.float64).T)
    name = "low_margin" if wish.by == "uncertainty" else "unfamiliar"
    values = np.array([np.nan if value is None else value for value in table[name]], np.float64)
    if np.isnan(values).all():
        hint = "label with a calibrated model: edge-segnet evaluate --calibrate"
        raise ModelError(f"the labelled frames have no {name}: their model did not know it", hint=hint)
    return np.nan_to_num(values, nan=-1.0)


def _thinned(order: list[int], table: dict[str, list[Any]], wish: Wish) -> list[int]:
    """Without frames that are nearer than ``every_s`` to a better one of the same recording."""
    taken: dict[tuple[str, str], set[int]] = {}
    kept = []
    for place in order:
        at_ns = table["time_ns"][place]
        if at_ns is not None and wish.every_s:
            slots = taken.setdefault((table["recording"][place], table["topic"][place] or ""), set())
            slot = int(at_ns / (wish.every_s * 1e9))
            if slot in slots:
                continue
            slots.add(slot)
        kept.append(place)
    return kept


def _look(recording: str, topic: str, robot: str, seqs: frozenset[int]) -> Look:
    source = describe(f"{recording}?topic={topic}" if topic else recording)
    if source.kind == "images" and len(source.files) <= max(seqs):
        raise InputError(f"{recording}: picture {max(seqs)} is not there any more", hint="label again, with --resume")
    return Look(source, robot, seqs)
