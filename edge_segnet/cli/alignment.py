"""What the ids of labels are among a model's, for commands that score a model by labels."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge_segnet.cli.common import read_classes
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import InputError, UsageError
from edge_segnet.data.dataset import CLASSES_FILE, find_classes
from edge_segnet.data.labels import alignment as alignments
from edge_segnet.data.labels.alignment import Alignment
from edge_segnet.data.labels.shift import find_shift
from edge_segnet.data.labels.survey import BANDS, band_counts
from edge_segnet.data.recorded import Truth

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ids:
    """What was said about the labels' ids."""

    classes: str | None
    void: int | None = None
    merge: Mapping[str, str] = field(default_factory=dict)
    drop: Sequence[str] = ()


def align(truth: Truth, labels: Path, model: ClassMap, ids: Ids) -> Alignment:
    """By the class map that was given, or the data set's own; else the labels are taken for the model's ids, unless
    they look like others.

    Raises:
        UsageError: the class maps don't fit together.
        InputError: the labels look like another class map's.
    """
    own = find_classes(labels)
    if ids.classes is None and own is None:
        if ids.merge or ids.drop:
            raise UsageError("--merge and --drop: which classes do the labels have?", hint="give --classes")
        _check_shift(truth, labels, model, ids.void)
        logger.info("%s: no class map given, and no %s: its ids are taken for %s", labels, CLASSES_FILE, model.name)
        return alignments.same(model, ids.void)
    given = read_classes(ids.classes if ids.classes is not None else str(own))
    if ids.classes is None:
        logger.info("class map of the labels: %s", own)
    alignment = alignments.align(given, model, void=ids.void, merge=ids.merge, drop=ids.drop)
    for note in alignment.notes:
        logger.warning("note: %s", note)
    return alignment


def _check_shift(truth: Truth, labels: Path, model: ClassMap, void: int | None) -> None:
    bands = sum(map(band_counts, truth.samples()), np.zeros((BANDS, 256), np.int64))
    ignored = model.void if void is None else void
    if ignored != model.void:
        bands[:, model.void] += bands[:, ignored]
        bands[:, ignored] = 0
    shift = find_shift(bands, model)
    if shift is not None:
        what = f"{labels}: by class shares and positions {shift.meaning}"
        raise InputError(what, hint="say which class map the labels have: --classes MAP")
