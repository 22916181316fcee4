"""Label images in another form or class map, loss-free: what can't be carried over exactly is an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import InputError, UsageError
from edge_segnet.core.files import write_bytes
from edge_segnet.core.types import Labels
from edge_segnet.data.masks import Mask, colours_to_ids, read_mask
from edge_segnet.pictures.containers import grey_as_palette
from edge_segnet.pictures.files import encode

Form = Literal["ids", "palette", "colours"]
Reading = Literal["auto", "ids", "colours"]
_NOTHING = -1


@dataclass(frozen=True, eq=False)
class Recoding:
    """``void`` and ``target_void``: the values that stand for void in the files that are read and written."""

    source: ClassMap
    target: ClassMap
    void: int
    target_void: int
    form: Form
    reading: Reading
    table: NDArray[np.int16]
    """Target value of each source value [256]; -1 where there is none."""
    unknown_is_void: bool = False
    """Whether values and colours that are no class become void, instead of being refused."""

    @property
    def palette(self) -> NDArray[np.uint8]:
        """Colour of each target value, uint8 [256,3] RGB."""
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(self.target)] = self.target.colours
        palette[self.target_void] = self.target.void_colour
        return palette


def plan(
    source: ClassMap,
    target: ClassMap,
    *,
    void: int | None = None,
    target_void: int | None = None,
    merge: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
    form: Form = "ids",
    reading: Reading = "auto",
    unknown_is_void: bool = False,
) -> Recoding:
    """Where every class goes: by name (upper and lower case being the same), by ``merge`` (source: target), or, with
    ``drop``, to void.

    Raises:
        UsageError: a class has no place to go, a name is unknown, or two classes share a colour that must tell them
            apart.
    """
    for name in (*(merge or {}), *drop):
        source.index(name)
    merge = {name.lower(): other for name, other in (merge or {}).items()}
    dropped = {name.lower() for name in drop}
    leaving = len(source) if void is None else void
    arriving = len(target) if target_void is None else target_void
    if arriving < len(target):
        raise UsageError(f"--to-void {arriving} is a class of {target.name}", hint=f"give {len(target)} to 255")
    table = np.full(256, _NOTHING, np.int16)
    homeless = []
    known = {name.lower(): place for place, name in enumerate(target.names)}
    for value, name in enumerate(source.names):
        if name.lower() in dropped:
            table[value] = arriving
        elif (wanted := merge.get(name.lower())) is not None:
            table[value] = target.index(wanted)
        elif name.lower() in known:
            table[value] = known[name.lower()]
        else:
            homeless.append(name)
    if homeless:
        what = f"{target.name} has no class for {', '.join(homeless)}"
        raise UsageError(what, hint=f"say where it goes: --merge {homeless[0]}=NAME or --drop {homeless[0]}")
    table[leaving] = arriving
    if form == "colours":
        _check_colours(target)
    return Recoding(source, target, leaving, arriving, form, reading, table, unknown_is_void)


def _check_colours(classes: ClassMap) -> None:
    """Colours can stand for classes only if every class, and void, has its own."""
    colours = [*classes.colours, classes.void_colour]
    names = [*classes.names, "void"]
    for index, colour in enumerate(colours):
        if colour in colours[:index]:
            other = names[colours.index(colour)]
            what = f"class map {classes.name}: {other} and {names[index]} share the colour {list(colour)}"
            raise UsageError(what, hint="colours could not be turned back into ids: give one of them another colour")


def recode(path: Path, out: Path, recoding: Recoding) -> int:
    """Write one label image in its new form, as PNG.

    Returns:
        How many pixels were no class and became void because that was asked for.

    Raises:
        InputError: a value or colour is no class; nothing is written.
        OutputError: the file can't be written.
    """
    ids, unknown = _read(path, recoding)
    places = recoding.table[ids]
    lost = (places == _NOTHING) & ~unknown
    if lost.any() and not recoding.unknown_is_void:
        raise _stranger(path, f"value {int(ids[lost][0])}", lost, recoding.source)
    unknown |= lost
    places[unknown] = recoding.target_void
    write_bytes(out, _encoded(places.astype(np.uint8), recoding))
    return int(np.count_nonzero(unknown))


def _read(path: Path, recoding: Recoding) -> tuple[Labels, NDArray[np.bool_]]:
    """The file's ids in the source's numbering, void being ``recoding.void``, and where a colour is no class's."""
    mask = read_mask(path)
    wants_colours = recoding.reading == "colours" or (recoding.reading == "auto" and mask.kind == "colours")
    if not wants_colours:
        if mask.kind == "colours":
            raise InputError(f"{path}: {mask.stored} holds colours", hint="leave --read ids out")
        return mask.pixels, np.zeros(mask.pixels.shape, np.bool_)
    rgb = _rgb(mask)
    _check_colours(recoding.source)
    ids, unknown = colours_to_ids(rgb, [*recoding.source.colours, recoding.source.void_colour])
    if unknown.any() and not recoding.unknown_is_void:
        red, green, blue = rgb[unknown][0].tolist()
        raise _stranger(path, f"colour [{red}, {green}, {blue}]", unknown, recoding.source)
    ids[ids == len(recoding.source)] = recoding.void
    return ids, unknown


def _rgb(mask: Mask) -> NDArray[np.uint8]:
    if mask.palette is not None:
        full = np.zeros((256, 3), np.uint8)
        full[: len(mask.palette)] = mask.palette
        return full[mask.pixels]
    return mask.pixels if mask.kind == "colours" else np.repeat(mask.pixels[..., None], 3, axis=2)


def _stranger(path: Path, what: str, where: NDArray[np.bool_], classes: ClassMap) -> InputError:
    row, column = (int(place[0]) for place in np.nonzero(where))
    count = int(np.count_nonzero(where))
    message = f"{path}: {what} at x={column}, y={row} is no class of {classes.name} ({count:,} such pixels)"
    return InputError(message, hint="check --classes and --void; --unknown-to-void makes them void")


def _encoded(ids: Labels, recoding: Recoding) -> bytes:
    if recoding.form == "colours":
        return encode(np.ascontiguousarray(recoding.palette[ids][..., ::-1]), ".png")
    grey = encode(ids, ".png")
    if recoding.form == "ids":
        return grey
    entries = max(len(recoding.target), recoding.target_void) + 1
    return grey_as_palette(grey, recoding.palette[:entries].tobytes())
