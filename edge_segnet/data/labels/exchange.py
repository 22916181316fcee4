"""A data set's labels to CVAT and back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import InputError, OutputError
from edge_segnet.core.files import output_error
from edge_segnet.data.cvat import LABELMAP, MASKS, PICTURES, pack, read_labelmap, unpacked, write_mask, write_tables
from edge_segnet.data.dataset import new_folder
from edge_segnet.data.labels.recode import plan, recode
from edge_segnet.data.masks import read_ids, read_mask
from edge_segnet.data.pairs import Pair, find_pairs, find_splits
from edge_segnet.pictures.listing import pictures_in


def export(root: Path, classes: ClassMap, out: Path, pictures: bool) -> int:
    """Write a data set's labels as CVAT takes them, to a folder or to a .zip, whole or not at all; how many.

    Raises:
        InputError: there are no pairs, two have one name, or a label value is no class.
        UsageError: two classes share a colour.
        OutputError: ``out`` is there and not empty, or can't be written.
    """
    pairs = _pairs(root)
    with _target(out) as folder:
        write_tables(folder, classes, list(pairs))
        for name, pair in pairs.items():
            write_mask(folder / MASKS / f"{name}.png", pair.read(len(classes), classes.void)[1], classes)
            if pictures:
                (folder / PICTURES).mkdir(exist_ok=True)
                shutil.copyfile(pair.image, folder / PICTURES / pair.image.name)
    return len(pairs)


@contextmanager
def _target(out: Path) -> Iterator[Path]:
    if out.suffix.lower() != ".zip":
        with new_folder(out) as folder:
            yield folder
        return
    if out.exists():
        raise OutputError(f"{out}: there is something already", hint="name a new file")
    try:
        with TemporaryDirectory(prefix="edge-segnet-cvat.") as place:
            yield Path(place)
            pack(Path(place), out)
    except OSError as error:
        raise output_error(out, error) from error


def _pairs(root: Path) -> dict[str, Pair]:
    """By name; the parts of a data set may not share names, since CVAT has one folder."""
    found: dict[str, Pair] = {}
    for split in find_splits(root):
        if split.images is None:
            continue
        for pair in find_pairs(split.images, split.labels):
            if pair.labels.stem in found:
                what = f"{pair.labels} and {found[pair.labels.stem].labels} have one name"
                raise InputError(what, hint="rename one of them: CVAT has one folder for all")
            found[pair.labels.stem] = pair
    if not found:
        raise InputError(f"{root}: no pictures with labels", hint="it needs train/images and train/labels")
    return found


@dataclass(frozen=True)
class Taken:
    """What came back. ``changed``: name -> share of the pixels that are another class now; ``untouched``: the data
    set's labels that the export has not; ``strangers``: the export's that the data set has not.
    """

    changed: Mapping[str, float]
    untouched: tuple[str, ...]
    strangers: tuple[str, ...]

    @property
    def share(self) -> float:
        """The mean of the changes."""
        return float(np.mean(list(self.changed.values()))) if self.changed else 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        changed = {name: round(share, 5) for name, share in self.changed.items()}
        return {"changed": changed, "untouched": list(self.untouched), "strangers": list(self.strangers)}


def take_back(
    exported: Path, root: Path, classes: ClassMap, merge: Mapping[str, str] | None = None, drop: Sequence[str] = ()
) -> Taken:
    """Replace a data set's labels by CVAT's of the same names; all of them, or none.

    Raises:
        InputError: it is no export, a mask has another size than its picture, or a colour that is no label's.
        UsageError: a label of CVAT's is no class of the data set, and nobody said where it goes.
        OutputError: the labels can't be written.
    """
    pairs = _pairs(root)
    with unpacked(exported) as folder, TemporaryDirectory(prefix=".cvat.", dir=root) as place:
        if not (folder / MASKS).is_dir():
            hint = f"export it as 'Segmentation mask 1.1': it needs {LABELMAP} and {MASKS}"
            raise InputError(f"{exported}: no export of CVAT", hint=hint)
        source = read_labelmap(folder / LABELMAP)
        recoding = plan(source, classes, merge=merge, drop=drop, reading="colours")
        masks = {path.stem: path for path in pictures_in(folder / MASKS)}
        changed = {}
        for name in sorted(masks.keys() & pairs.keys()):
            fresh = Path(place) / f"{name}.png"
            recode(masks[name], fresh, recoding)
            changed[name] = _change(pairs[name], fresh, masks[name])
        for name in changed:
            (Path(place) / f"{name}.png").replace(pairs[name].labels.with_suffix(".png"))
    strangers, untouched = sorted(masks.keys() - pairs.keys()), sorted(pairs.keys() - masks.keys())
    if not changed:
        raise InputError(f"{exported}: none of its names is in {root}", hint=f"such as {strangers[0]}")
    return Taken(changed, tuple(untouched), tuple(strangers))


def _change(pair: Pair, fresh: Path, mask: Path) -> float:
    before, after = read_ids(pair.labels), read_ids(fresh)
    if before.shape != after.shape:
        sizes = " and ".join(f"{shape[1]}x{shape[0]}" for shape in (read_mask(mask).pixels.shape, before.shape))
        raise InputError(f"{mask} and {pair.labels} differ in size: {sizes}", hint="is it of this data set?")
    return float((before != after).mean())
