"""Labels of one class map scored against a model of another: by name, and only where every class has a counterpart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import UsageError


@dataclass(frozen=True, eq=False)
class Alignment:
    """``count`` and ``void``: classes of the labels, and their value for void. ``truth`` and ``predicted``: the model's
    id of each of the labels' ids (void is ``count``), and of each of the model's own, uint8 [256].
    """

    count: int
    void: int
    truth: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    notes: tuple[str, ...] = field(default=())

    @property
    def changes(self) -> bool:
        """Whether any id becomes another."""
        plain = np.arange(256)
        return bool((self.truth != plain).any() or (self.predicted != plain).any())


def same(classes: ClassMap, void: int | None = None) -> Alignment:
    """Labels with the model's own ids."""
    plain = np.arange(256).astype(np.uint8)
    return Alignment(len(classes), classes.void if void is None else void, plain, plain)


def align(
    labels: ClassMap,
    model: ClassMap,
    *,
    void: int | None = None,
    merge: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
) -> Alignment:
    """Match two class maps by name, upper and lower case being the same.

    Args:
        merge: a class of the labels, or one of the model's that the labels don't tell apart -> a class of the model.
        drop: classes of the labels that nobody scores.

    Raises:
        UsageError: a class of the labels has no counterpart, or a name is unknown.
    """
    merge = {name.lower(): other for name, other in (merge or {}).items()}
    known = {name.lower(): place for place, name in enumerate(model.names)}
    own = {name.lower() for name in labels.names}
    if strangers := [name for name in (*merge, *map(str.lower, drop)) if name not in own and name not in known]:
        what = f"neither {labels.name} nor {model.name} has a class {strangers[0]!r}"
        raise UsageError(what, hint=f"they have {', '.join(dict.fromkeys([*labels.names, *model.names]))}")
    dropped = {name.lower() for name in drop}
    truth = np.full(256, len(model), np.uint8)
    homeless = []
    for value, name in enumerate(labels.names):
        wanted = merge.get(name.lower(), name)
        if name.lower() in dropped:
            continue
        if wanted.lower() not in known:
            homeless.append(name)
            continue
        truth[value] = known[wanted.lower()]
    if homeless:
        what = f"the labels' {labels.name} has {', '.join(homeless)}, which {model.name} of the model has not"
        raise UsageError(what, hint=f"say where it goes: --merge {homeless[0]}=NAME or --drop {homeless[0]}")
    predicted = np.arange(256).astype(np.uint8)
    for name, other in merge.items():
        if name in known:
            predicted[known[name]] = model.index(other)
    seen = set(truth[: len(labels)].tolist())
    unasked = [name for value, name in enumerate(model.names) if value not in seen and predicted[value] == value]
    notes = tuple(
        f"the labels have no {name}: where the model says so it is counted as wrong (--merge {name}=NAME)"
        for name in unasked
    )
    return Alignment(len(labels), labels.void if void is None else void, truth, predicted, notes)
