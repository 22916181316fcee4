"""``edge-segnet pick``: the frames that are worth a person's time, as a data set with the model's labels in it.

every input --scan--> Pool: a score, a thumbnail and the encoder's features of each frame
Pool --choose--> the best ones, nothing twice, as different as can be, spread over robots and drives
chosen --written--> pictures, labels, picked.json, a contact sheet (the inputs are read once more for them)
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from edge_segnet.backends.features import FeatureNetwork
from edge_segnet.core.errors import BadFrame, EndOfStream, InputError, ModelError, UsageError
from edge_segnet.core.selection import NEAR, POOL, SEEN, farthest, rarity, spread, without_duplicates
from edge_segnet.core.soundness import fault
from edge_segnet.core.stats import shares
from edge_segnet.core.types import Backend, Fit, Frame, Image, Segmentation
from edge_segnet.data.drives import drives
from edge_segnet.pictures.shape import fit_image, nearest, thumbnail
from edge_segnet.sources import Input, open_source

logger = logging.getLogger(__name__)
By = Literal["uncertainty", "unfamiliarity", "disagreement", "rarity"]
THUMB: Final = (32, 24)
"""(width, height) of the grey picture by which nearly equal ones are known."""


@dataclass(frozen=True)
class Look:
    """An input, the robot that it is of, and the numbers of the frames to look at; None: all of them, thinned out."""

    source: Input
    robot: str = ""
    seqs: frozenset[int] | None = None


@dataclass(frozen=True)
class Candidate:
    """A frame that may be picked: ``seq`` of the input number ``source``, ``at_s`` seconds after its first frame."""

    source: int
    seq: int
    at_s: float
    robot: str
    drive: str
    name: str
    """Of a picture its file's, of a film's frame the drive's and its number."""


@dataclass(frozen=True, eq=False)
class Rival:
    """Another model, whose other opinion makes a frame interesting. ``ids`` uint8 [256]: its ids among the model's."""

    backend: Backend
    fit: Fit
    ids: NDArray[np.uint8]

    def differs(self, frame: Frame, found: Segmentation) -> float:
        """Share of the pixels that it gives another class."""
        image = fit_image(frame.image if frame.original is None else frame.original, self.backend.input_size, self.fit)
        (theirs,) = self.backend.infer([replace(frame, image=image)])
        labels = self.ids[nearest(theirs.labels, found.labels.shape[::-1])]
        return float((labels != found.labels).mean())


@dataclass
class Pool:
    """What is known of every frame that was looked at. ``failed``: inputs that broke, and why; ``bad``: frames that
    could not be decoded, or of which the network computed no numbers.
    """

    candidates: list[Candidate] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    thumbs: list[NDArray[np.uint8]] = field(default_factory=list)
    features: list[NDArray[np.float32]] = field(default_factory=list)
    shares: list[NDArray[np.float64]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    bad: int = 0


@dataclass(frozen=True)
class Wish:
    """Which frames are wanted. ``every_s``: one in so many seconds of a film is looked at; ``limit``: frames of an
    input at most; ``near``: correlation of thumbnails from which on two frames are one.
    """

    by: By
    count: int
    every_s: float = 0.0
    limit: int | None = None
    near: float = NEAR


def scan(
    inputs: Sequence[Look],
    network: FeatureNetwork,
    wish: Wish,
    rival: Rival | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Pool:
    """Look at every frame of every input. An input that breaks costs what was not read of it, and is named.

    Raises:
        UsageError: an input never ends and there is no limit; disagreement with nobody.
        ModelError: the model can't say what is asked of it.
    """
    check(inputs, network, wish, rival)
    pool = Pool()
    for place, look in enumerate(inputs):
        source = look.source
        try:
            for at_s, frame in _frames(look, network, wish, pool):
                found, features = network.see(frame)
                advance()
                if fault(found):
                    pool.bad += 1
                    continue
                drive, name = _drive(source, frame.seq)
                pool.candidates.append(Candidate(place, frame.seq, at_s, look.robot, drive, name))
                pool.scores.append(_score(wish.by, frame, found, rival))
                pool.thumbs.append(thumbnail(frame.image, THUMB))
                pool.features.append(features)
                pool.shares.append(shares(found.counts)[:-1])
        except InputError as error:
            logger.warning("%s", error)
            told = str(error)
            pool.failed.append(told if source.uri in told else f"{source.uri}: {told}")
    if wish.by == "rarity" and pool.candidates:
        pool.scores = rarity(np.stack(pool.shares)).tolist()
    return pool


def check(inputs: Sequence[Look], network: FeatureNetwork, wish: Wish, rival: Rival | None) -> None:
    """Raises UsageError or ModelError, as ``scan``: known before anything is read."""
    endless = [each.source.uri for each in inputs if each.source.kind in ("synthetic", "camera")]
    if endless and wish.limit is None:
        raise UsageError(f"{endless[0]} never ends", hint="give --limit: so many frames of each input")
    if wish.by == "disagreement" and rival is None:
        raise UsageError("--by disagreement: with whom?", hint="give --against OTHER_MODEL")
    if wish.by == "unfamiliarity" and network.card.calibration is None:
        hint = "measure it first: edge-segnet evaluate --calibrate, with pictures that it has not learnt from"
        raise ModelError(f"{network.card.name} does not know what is unfamiliar to it", hint=hint)


def _score(by: By, frame: Frame, found: Segmentation, rival: Rival | None) -> float:
    match by:
        case "uncertainty":
            return found.low_margin or 0.0
        case "unfamiliarity":
            return found.unfamiliar or 0.0
        case "disagreement":
            assert rival is not None
            return rival.differs(frame, found)
        case "rarity":
            return 0.0  # known when all frames are


def _frames(look: Look, network: FeatureNetwork, wish: Wish, pool: Pool) -> Iterator[tuple[float, Frame]]:
    """(seconds, frame) of an input, those that are to be looked at; damaged ones are counted."""
    source, due_s, taken = look.source, 0.0, 0
    left = None if look.seqs is None else set(look.seqs)
    with closing(open_source(source, network.card.size, network.card.fit, paced=False)) as opened:
        while left != set() and (wish.limit is None or taken < wish.limit):
            try:
                frame = opened.read(timeout_s=1.0)
            except BadFrame as error:
                logger.warning("skipped %s", error)
                pool.bad += 1
                continue
            except EndOfStream:
                return
            if frame is None:
                continue
            still = source.kind in ("image", "images")
            at_s = frame.media_s if frame.media_s is not None else 0.0 if still else frame.seq / opened.fps
            if left is not None:
                if frame.seq not in left:
                    continue
                left.remove(frame.seq)
            elif not still and at_s + 1e-6 < due_s:
                continue
            due_s = max(due_s, at_s) + wish.every_s
            taken += 1
            yield at_s, frame


def _drive(source: Input, seq: int) -> tuple[str, str]:
    """(drive, name) of a frame. A film is one drive; a picture's is in its name, or is its folder."""
    if source.kind in ("image", "images"):
        path = source.files[seq]
        return drives([path.stem])[0] or path.resolve().parent.name, path.stem
    drive = source.files[0].stem if source.files else f"{source.kind}{source.seed or ''}"
    return drive, f"{drive}_{seq:06d}"


def choose(pool: Pool, wish: Wish) -> list[int]:
    """Places of the picked frames in the pool, the first one being the best. Of the best ones that differ (``POOL`` for
    each that is wanted) those that the encoder finds most different. At every step each robot and drive has its share,
    by need: else one whose frames are all a little worse would never get far enough to be spread to.
    """
    if not pool.candidates:
        return []
    order = np.argsort(-np.array(pool.scores), kind="stable").tolist()
    groups = [(each.robot, f"{each.robot}/{each.drive}") for each in pool.candidates]
    order = spread(order, groups, SEEN * wish.count, pool.scores)
    unlike = without_duplicates(order, np.stack(pool.thumbs), len(order), wish.near)
    best = spread(unlike, groups, POOL * wish.count, pool.scores)
    worth = [max(pool.scores[place], 0.0) for place in best]
    ways = farthest(np.stack([pool.features[place] for place in best]), 0, worth)
    return spread([best[way] for way in ways], groups, wish.count, pool.scores)


@dataclass(frozen=True, eq=False)
class Picked:
    """A picked frame with its picture uint8 [H,W,3] and what the model makes of it."""

    place: int
    picture: Image
    found: Segmentation


def read_again(
    inputs: Sequence[Look], network: FeatureNetwork, wish: Wish, pool: Pool, chosen: Sequence[int]
) -> Iterator[Picked]:
    """The picked frames, input by input; raises InputError where one has changed meanwhile."""
    wanted: dict[int, dict[int, int]] = {}
    for place in chosen:
        candidate = pool.candidates[place]
        wanted.setdefault(candidate.source, {})[candidate.seq] = place
    for source, places in sorted(wanted.items()):
        for seq, frame in _again(inputs[source].source, network, wish, sorted(places)):
            found, _ = network.see(frame)
            picture = frame.image if frame.original is None else frame.original
            yield Picked(places[seq], picture, found)


def _again(source: Input, network: FeatureNetwork, wish: Wish, seqs: list[int]) -> Iterator[tuple[int, Frame]]:
    if source.kind in ("image", "images"):  # these alone: nobody reads a folder twice for a few of its pictures
        alone = replace(source, files=tuple(source.files[seq] for seq in seqs))
        frames = (frame for _, frame in _frames(Look(alone), network, wish, Pool()))
        yield from zip(seqs, frames, strict=True)
        return
    left = set(seqs)
    for _, frame in _frames(Look(source, seqs=frozenset(seqs)), network, wish, Pool()):
        left.remove(frame.seq)
        yield frame.seq, frame
    if not left:
        return
    raise InputError(f"{source.uri}: frame {min(left)} is not there any more", hint="has the file changed? pick again")


def stamp() -> str:
    """Now, for a file that says when it was made."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
