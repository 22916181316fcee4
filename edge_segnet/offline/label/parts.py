"""What a part leaves on the disk: labels first, then its row for every frame, which makes the part one that is done.

OUT/frames/NAME/000002.parquet       the rows of a part (``columns``)
OUT/labels/NAME/000012.png           format png: class ids, grey, at the picture's size
OUT/labels/NAME/000002.mcap          format mcap: the part's labels as pictures at their own times
OUT/SegmentationClass/NAME-000012.png   format cvat: colours; labelmap.txt and ImageSets beside it
format parquet: a column ``labels`` with the PNG's bytes
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import InputError
from edge_segnet.core.files import written_beside
from edge_segnet.core.stats import shares
from edge_segnet.core.types import Labels, Segmentation
from edge_segnet.data import cvat
from edge_segnet.offline.label.plan import FRAMES, Format, Item
from edge_segnet.offline.label.reading import Taken
from edge_segnet.pictures.files import encode, write_image

FAULTS: Final = b"edge-segnet.faults"
NAMED: Final = 20
"""Faults of a part that are named one by one; all are counted."""
DONE: Final = "_complete"
"""Beside an item's parts: it was read to its end. Readers of Parquet folders pass over what begins with _."""


def columns(classes: ClassMap, form: Format) -> pa.Schema:
    """Names and types of the rows."""
    fields: list[tuple[str, pa.DataType]] = [
        ("robot", pa.string()),
        ("recording", pa.string()),
        ("topic", pa.string()),
        ("seq", pa.int64()),
        ("time_ns", pa.int64()),
        ("model_sha256", pa.string()),
        ("key", pa.string()),
        ("name", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        *((f"classes.{name}.share", pa.float32()) for name in classes.names),
        *((f"classes.{name}.uncertain", pa.float32()) for name in classes.names),
        ("void", pa.float32()),
        ("low_margin", pa.float32()),
        ("unfamiliar", pa.float32()),
        ("label_path", pa.string()),
    ]
    if form == "parquet":
        fields.append(("labels", pa.binary()))
    return pa.schema(fields)


def part_path(out: Path, item: Item, part: int) -> Path:
    """Where the rows of a part stand."""
    return out / FRAMES / item.name / f"{part:06d}.parquet"


def parts_done(out: Path, item: Item) -> set[int]:
    """Numbers of the parts that are published."""
    return {int(path.stem) for path in (out / FRAMES / item.name).glob("*.parquet") if path.stem.isdecimal()}


@dataclass(frozen=True, eq=False)
class Where:
    """Where parts go, and what their rows have in common."""

    out: Path
    form: Format
    classes: ClassMap
    sha256: str


class PartWriter:
    """Takes the frames of one part of an item, in order."""

    def __init__(self, where: Where, item: Item, part: int, first: int) -> None:
        """``first``: number of the frame that ``item.files`` begin with."""
        self._where, self._item, self._part, self._first = where, item, part, first
        self._schema = columns(where.classes, where.form)
        self._rows: list[dict[str, Any]] = []
        self._messages: list[tuple[int, bytes]] = []

    def add(self, taken: Taken, found: Segmentation, labels: Labels) -> None:
        """A frame, and its labels at the picture's size; raises OutputError."""
        place, data = self._store(taken, labels)
        counts, names = found.counts, self._where.classes.names
        share = shares(counts)
        unsure = [None] * len(names) if found.uncertain is None else (found.uncertain / counts[:-1].clip(1)).tolist()
        item = self._item
        path = item.files[taken.seq - self._first] if item.files else item.uri
        self._rows.append(
            {
                "robot": item.robot,
                "recording": path,
                "topic": item.topic or None,
                "seq": taken.seq,
                "time_ns": taken.at_ns,
                "model_sha256": self._where.sha256,
                "key": f"{item.key}:{item.topic}:{taken.seq}",
                "name": item.name,
                "width": labels.shape[1],
                "height": labels.shape[0],
                **{f"classes.{name}.share": each for name, each in zip(names, share.tolist(), strict=False)},
                **{f"classes.{name}.uncertain": each for name, each in zip(names, unsure, strict=True)},
                "void": float(share[-1]),
                "low_margin": found.low_margin,
                "unfamiliar": found.unfamiliar,
                "label_path": place,
                "labels": data,
            }
        )

    def _store(self, taken: Taken, labels: Labels) -> tuple[str | None, bytes | None]:
        """Where the labels are, below the output, or their bytes."""
        name, form, out = self._item.name, self._where.form, self._where.out
        if form == "parquet":
            return None, encode(labels, ".png")
        if form == "mcap":
            self._messages.append((taken.at_ns or taken.seq * 1_000_000_000, encode(labels, ".png")))
            return f"labels/{name}/{self._part:06d}.mcap", None
        if form == "cvat":
            place = f"{cvat.MASKS}/{name}-{taken.seq:06d}.png"
            cvat.write_mask(out / place, labels, self._where.classes)
            return place, None
        place = f"labels/{name}/{self._stem(taken.seq)}.png"
        write_image(out / place, labels)
        return place, None

    def _stem(self, seq: int) -> str:
        """Of a picture its own name, so that picture and labels are a pair of a data set."""
        if not self._item.files:
            return f"{seq:06d}"
        own = Path(self._item.files[seq - self._first])
        twice = sum(Path(file).stem == own.stem for file in self._item.files) > 1
        return own.name if twice else own.stem

    def publish(self, faults: Sequence[str]) -> None:
        """Make it a part that is done; ``faults``: what of it could not be labelled, and why. Raises OutputError."""
        if self._messages:
            self._write_messages()
        told = json.dumps({"count": len(faults), "named": [str(each) for each in faults[:NAMED]]})
        table = pa.Table.from_pylist(self._rows, schema=self._schema.with_metadata({FAULTS: told}))
        with written_beside(part_path(self._where.out, self._item, self._part)) as beside:
            pq.write_table(table, beside, compression="zstd")
            with beside.open("rb") as file:
                os.fsync(file.fileno())

    def _write_messages(self) -> None:
        from edge_segnet.offline.label.mcap_labels import write_labels

        path = self._where.out / "labels" / self._item.name / f"{self._part:06d}.mcap"
        told = {"model_sha256": self._where.sha256, "classes": json.dumps(self._where.classes.to_dict())}
        write_labels(path, self._item, self._messages, told)


@dataclass(frozen=True)
class PartSummary:
    """``rows``: frames that are labelled. ``faults``: of those that could not be, how many, and ``named`` some."""

    rows: int
    faults: int
    named: tuple[str, ...]


def read_summary(path: Path) -> PartSummary:
    """Of a part that is published; raises InputError: it is damaged."""
    try:
        told = pq.read_metadata(path)
        faults = json.loads((told.metadata or {}).get(FAULTS, b'{"count": 0, "named": []}'))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path}: can't be read ({error})", hint="remove it, and run again with --resume") from error
    return PartSummary(int(told.num_rows), int(faults["count"]), tuple(faults["named"]))
