"""What ``pick`` writes: a data set as ``dataset init`` lays one out, ``picked.json`` and a contact sheet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge_segnet.core.files import plain_name
from edge_segnet.core.types import Image
from edge_segnet.data.dataset import lay_out, new_folder
from edge_segnet.graph.model_files import ModelCard
from edge_segnet.offline.pick import Candidate, Look, Picked, Pool, Wish
from edge_segnet.pictures.files import write_image
from edge_segnet.pictures.overlay import lay_over
from edge_segnet.pictures.shape import unfit_labels
from edge_segnet.pictures.sheet import contact_sheet, tile

PICKED_FILE: Final = "picked.json"
SHEET_FILE: Final = "sheet.png"
COLUMNS: Final = 4


@dataclass(frozen=True, eq=False)
class Pick:
    """All that the data set is made of: what was wished, what was looked at, and what was chosen, the best first."""

    card: ModelCard
    sha256: str
    inputs: Sequence[Look]
    wish: Wish
    pool: Pool
    chosen: Sequence[int]
    val: float

    def names(self) -> dict[int, str]:
        """Of every chosen frame its file's name without suffix, each only once."""
        names: dict[int, str] = {}
        taken: set[str] = set()
        for place in self.chosen:
            one = self.pool.candidates[place]
            own = plain_name("-".join(filter(None, (one.robot, one.name)))).strip("-") or "frame"
            name, again = own, 1
            while name in taken:
                again += 1
                name = f"{again}.{own}"  # in front, so that a drive's frames still begin alike
            taken.add(name)
            names[place] = name
        return names

    def splits(self) -> dict[int, str]:
        """``train``, or ``val`` for whole drives until they have the wished share."""
        drives: dict[tuple[str, str], list[int]] = {}
        for place in self.chosen:
            one = self.pool.candidates[place]
            drives.setdefault((one.robot, one.drive), []).append(place)
        found = dict.fromkeys(self.chosen, "train")
        room = round(self.val * len(self.chosen))
        for places in sorted(drives.values(), key=len):
            if len(places) <= room and len(drives) > 1:
                room -= len(places)
                found |= dict.fromkeys(places, "val")
        return found

    def to_dict(self, when: str) -> dict[str, Any]:
        """JSON-ready."""
        names, splits = self.names(), self.splits()
        return {
            "picked_at": when,
            "by": self.wish.by,
            "model": self.card.name,
            "model_sha256": self.sha256,
            "looked_at": len(self.pool.candidates),
            "bad_frames": self.pool.bad,
            "failed_inputs": self.pool.failed,
            "frames": [self._frame(place, f"{splits[place]}/images/{names[place]}.png") for place in self.chosen],
        }

    def _frame(self, place: int, file: str) -> dict[str, Any]:
        one: Candidate = self.pool.candidates[place]
        return {
            "file": file,
            "score": round(self.pool.scores[place], 6),
            "input": self.inputs[one.source].source.uri,
            "seq": one.seq,
            "at_s": round(one.at_s, 3),
            "robot": one.robot,
            "drive": one.drive,
        }


def write(
    pick: Pick, frames: Iterable[Picked], folder: Path, when: str, advance: Callable[[], None] = lambda: None
) -> None:
    """The data set, whole or not at all.

    Raises:
        OutputError: the folder exists and is not empty, or can't be written.
        InputError: an input has changed since it was looked at.
    """
    names, splits = pick.names(), pick.splits()
    tiles: dict[int, Image] = {}
    with new_folder(folder) as root:
        lay_out(root, pick.card.classes)
        for one in frames:
            picture, place = one.picture, one.place
            size = (picture.shape[1], picture.shape[0])
            labels = unfit_labels(one.found.labels, size, pick.card.classes.void, pick.card.fit)
            for kind, image in (("images", picture), ("labels", labels)):
                write_image(root / splits[place] / kind / f"{names[place]}.png", image)
            tiles[place] = lay_over(tile(picture), tile(labels, exact=True), pick.card.classes.lut_bgr)
            advance()
        (root / PICKED_FILE).write_text(json.dumps(pick.to_dict(when), indent=1) + "\n", encoding="utf-8")
        write_image(root / SHEET_FILE, _sheet(pick, tiles))


def _sheet(pick: Pick, tiles: dict[int, Image]) -> Image:
    """Four pictures a row, the best first."""
    rows = []
    for start in range(0, len(pick.chosen), COLUMNS):
        places = pick.chosen[start : start + COLUMNS]
        words = "   ".join(f"{start + n + 1}: {pick.pool.scores[place]:.3f}" for n, place in enumerate(places))
        drives = ", ".join(dict.fromkeys(pick.pool.candidates[place].drive for place in places))
        rows.append((f"{words}   ({drives})", [tiles[place] for place in places]))
    return contact_sheet(
        rows, f"{len(pick.chosen)} frames picked by {pick.wish.by}, with the labels of {pick.card.name}"
    )
