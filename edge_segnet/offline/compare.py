"""``edge-segnet evaluate --compare OLD NEW``: two models on the same labelled pictures, and whether it is luck."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.bootstrap import TOTALS, Difference, differences
from edge_segnet.core.classes import ClassMap, ids_in
from edge_segnet.core.stats import percentile
from edge_segnet.core.types import Backend, Image, Labels
from edge_segnet.data.drives import blocks, drives
from edge_segnet.data.labels.alignment import Alignment
from edge_segnet.data.pairs import Pair
from edge_segnet.data.recorded import RecordedPair
from edge_segnet.graph.model_files import ModelCard
from edge_segnet.offline.evaluate import Evaluation, Scored, score, summed
from edge_segnet.pictures.overlay import colourise
from edge_segnet.pictures.sheet import contact_sheet, tile

SHOWN: Final = 12
"""Frames on the contact sheet."""
FEW: Final = 5
"""Drives below which the interval is said to be a hint only."""
RIGHT, WRONG, BOTH_WRONG, VOID, SAME = range(5)
_COLOURS: Final = ((60, 190, 60), (50, 50, 230), (40, 200, 230), (0, 0, 0), (110, 110, 110))
"""BGR: NEW alone is right, OLD alone is right, both are wrong in different ways, nobody knows, they agree."""
MEANING: Final = "picture, OLD, NEW, truth, where they differ (green: NEW is right, red: OLD is right, yellow: neither)"


@dataclass(frozen=True, eq=False)
class Contender:
    """A model of the comparison. ``alignment``: what the labels' ids are among OLD's."""

    card: ModelCard
    backend: Backend
    sha256: str
    alignment: Alignment


@dataclass(frozen=True, eq=False)
class Side:
    """What is known of one model after it. ``times_ms``: of every inference."""

    card: ModelCard
    backend: str
    sha256: str
    evaluation: Evaluation
    times_ms: tuple[float, ...]

    def to_dict(self, classes: ClassMap) -> dict[str, Any]:
        """JSON-ready: ``evaluate``'s document in the ids of ``classes``, the model's identity, and how long inferences
        took.
        """
        document = self.evaluation.to_document(classes, self.card.name, self.backend)
        median = round(percentile(self.times_ms, 0.5), 3)
        return {**document, "model_sha256": self.sha256, "median_ms": median}


@dataclass(frozen=True, eq=False)
class Comparison:
    """``differences``: of the figures in ``bootstrap.TOTALS`` and of every class of OLD's map, by name. ``over``: what
    was resampled, ``groups`` how many. ``differing``: share of the pixels with a truth that got different classes.
    ``worst``: the frames on which the two differ most, with their shares.
    """

    old: Side
    new: Side
    differences: Mapping[str, Difference]
    groups: int
    over: str
    differing: float
    worst: tuple[tuple[str, float], ...]
    sheet: Image

    @property
    def speed(self) -> float:
        """NEW's frames per second over OLD's, by the medians of their inferences."""
        return percentile(self.old.times_ms, 0.5) / percentile(self.new.times_ms, 0.5)

    def figures(self) -> dict[str, float]:
        """What a gate may ask for, in percentage points, and the speed."""
        found = {"speed": self.speed, "calibration_error": 100 * self._calibration()}
        for name, each in self.differences.items():
            found |= {name: 100 * each.value, f"{name}.low": 100 * each.low, f"{name}.high": 100 * each.high}
        return found

    def _calibration(self) -> float:
        old, new = (side.evaluation.sureness.calibration_error() for side in (self.old, self.new))
        return new - old

    def to_document(self) -> dict[str, Any]:
        """The JSON form; figures that nobody can know are null."""
        found = {name: each.to_dict() for name, each in self.differences.items()}
        change = self._calibration()
        return {
            "old": self.old.to_dict(self.old.card.classes),
            "new": self.new.to_dict(self.old.card.classes),
            "difference": {name: found[name] for name in TOTALS},
            "difference_iou": {name: value for name, value in found.items() if name not in TOTALS},
            "difference_calibration_error": None if math.isnan(change) else round(100 * change, 3),
            "intervals": {"sure": 0.95, "over": self.over, "groups": self.groups},
            "speed": round(self.speed, 4),
            "differing": round(self.differing, 5),
            "worst": [{"frame": name, "differing": round(share, 5)} for name, share in self.worst],
        }


def gate_names(classes: ClassMap) -> list[str]:
    """The figures that a gate may ask for, without ``.low`` and ``.high``."""
    return [*TOTALS, "calibration_error", "speed", *classes.names]


def as_old(alignment: Alignment, new: ClassMap, old: ClassMap) -> Alignment:
    """OLD's alignment for NEW, whose ids become OLD's; raises UsageError as ``ids_in``."""
    return replace(alignment, predicted=alignment.predicted[ids_in(old, new, "--compare")])


def compare(
    pairs: Iterable[Pair | RecordedPair],
    old: Contender,
    new: Contender,
    pattern: str | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Comparison:
    """Score both on every pair, in turns, so that a busy or hot machine treats both alike.

    Args:
        pattern: as ``data.drives.drives`` takes it.

    Raises:
        UsageError: the pattern fits no name.
        InputError: a pair is broken, differs in size, or has an unknown label value.
        ModelError: a model fails, or computes no numbers.
    """
    table, names = _Table(old, new), list[str]()
    for seq, pair in enumerate(pairs):
        names += drives([pair.stem], pattern)
        table.add(pair, seq)
        advance()
    known = list(dict.fromkeys(names))
    groups, over = [known.index(name) for name in names], "drives"
    if len(known) < 2:
        groups, over = blocks(len(names)), "stretches of the one drive"
    matrices = [np.stack(each) for each in table.matrices]
    found = differences(matrices[0], matrices[1], groups)
    sides = table.sides()
    return Comparison(
        sides[0],
        sides[1],
        dict(zip([*TOTALS, *old.card.classes.names], found, strict=True)),
        max(groups) + 1,
        over,
        table.differing / max(table.known, 1),
        table.worst(),
        contact_sheet(table.rows(), MEANING),
    )


class _Table:
    """Adds up what both made of every frame, and keeps the frames on which they differ most."""

    def __init__(self, old: Contender, new: Contender) -> None:
        self._contenders = (old, new)
        self._scored: tuple[list[Scored], list[Scored]] = ([], [])
        self._kept: list[tuple[float, int, str, list[Image]]] = []
        self.differing = self.known = 0

    @property
    def matrices(self) -> list[list[NDArray[np.int64]]]:
        return [[each.matrix for each in side] for side in self._scored]

    def add(self, pair: Pair | RecordedPair, seq: int) -> None:
        """Both models on one pair; who comes first changes from frame to frame."""
        image, truth = pair.read(self._contenders[0].alignment.count, self._contenders[0].alignment.void)
        found: dict[int, Scored] = {}
        for place in (0, 1) if seq % 2 == 0 else (1, 0):
            one = self._contenders[place]
            if seq == 0:  # a first inference allocates
                score(image, truth, seq, one.backend, one.card.fit, one.alignment)
            found[place] = score(image, truth, seq, one.backend, one.card.fit, one.alignment)
        verdicts = _verdicts(found[0], found[1], len(self._contenders[0].card.classes))
        counts = np.bincount(verdicts.reshape(-1), minlength=5)
        differing, known = int(counts[[RIGHT, WRONG, BOTH_WRONG]].sum()), verdicts.size - int(counts[VOID])
        self.differing += differing
        self.known += known
        self._keep(differing / max(known, 1), seq, pair.title, image, (found[0], found[1]), verdicts)
        for place, side in enumerate(self._scored):  # without its pictures: memory stays flat
            nothing = np.zeros((0, 0), np.uint8)
            side.append(replace(found[place], truth=nothing, labels=nothing))

    def _keep(
        self, share: float, seq: int, title: str, image: Image, found: tuple[Scored, Scored], verdicts: Labels
    ) -> None:
        if len(self._kept) == SHOWN and share <= self._kept[0][0]:
            return
        lut = self._contenders[0].card.classes.lut_bgr
        tiles = [tile(image)]
        tiles += [colourise(tile(ids, exact=True), lut) for ids in (found[0].labels, found[1].labels, found[0].truth)]
        tiles.append(np.array(_COLOURS, np.uint8)[tile(verdicts, exact=True)])
        push = heapq.heappush if len(self._kept) < SHOWN else heapq.heapreplace
        push(self._kept, (share, seq, title, tiles))

    def worst(self) -> tuple[tuple[str, float], ...]:
        """Most different first."""
        return tuple((name, share) for share, _, name, _ in sorted(self._kept, reverse=True))

    def rows(self) -> list[tuple[str, list[Image]]]:
        """Of the contact sheet."""
        kept = sorted(self._kept, reverse=True)
        return [(f"{name}: {100 * share:.1f} % differ", tiles) for share, _, name, tiles in kept]

    def sides(self) -> list[Side]:
        """Both models' own figures."""
        return [_side(one, found) for one, found in zip(self._contenders, self._scored, strict=True)]


def _side(one: Contender, found: Sequence[Scored]) -> Side:
    times = tuple(1e3 * each.seconds for each in found)
    return Side(one.card, one.backend.name, one.sha256, summed(found, len(one.backend.classes)), times)


def _verdicts(old: Scored, new: Scored, classes: int) -> Labels:
    """Of every pixel, uint8 [H,W]: which of the two is right."""
    verdicts = np.full(old.truth.shape, BOTH_WRONG, np.uint8)
    verdicts[new.labels == old.truth] = RIGHT
    verdicts[old.labels == old.truth] = WRONG
    verdicts[old.labels == new.labels] = SAME
    verdicts[old.truth >= classes] = VOID
    return verdicts
