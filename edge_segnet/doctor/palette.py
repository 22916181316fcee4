"""Lint of a class map: colours that people can't tell apart, and colours that belong to other classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

import numpy as np

from edge_segnet.core.classes import CLASS_MAPS, ClassMap, Colour
from edge_segnet.pictures.palettes import lab_of

NEAR: Final = 10.0
"""Distance in CIE L*a*b* (1976) below which two colours look alike as thin overlays; the shipped maps keep 15."""
FEW: Final = 3
"""So many classes must agree before a swap or a shift is believed."""
MAP: Final = "edge-segnet segment --colours PALETTE.png, or convert the model again with --spec and the right map"


def lint(classes: ClassMap) -> Iterator[tuple[str, str]]:
    """(what is wrong, what to do), the most serious first; nothing for a good map."""
    known = _closest_names(classes)
    if known is not None:
        yield from _against(classes, known)
    elif len(classes) in (len(CLASS_MAPS["camvid-11"]), len(CLASS_MAPS["camvid-12"])):
        yield from _counted(classes)
    yield from _alike(classes)


def _closest_names(classes: ClassMap) -> ClassMap | None:
    """The shipped map that shares most names, if it is most of them."""
    own = {name.lower() for name in classes.names}

    def shared(known: ClassMap) -> int:
        return len(own & {name.lower() for name in known.names})

    best = max(CLASS_MAPS.values(), key=lambda known: (shared(known), len(known) == len(classes)))
    return best if shared(best) >= max(FEW, len(own) // 2) else None


def _against(classes: ClassMap, known: ClassMap) -> Iterator[tuple[str, str]]:
    meant = dict(zip((name.lower() for name in known.names), known.colours, strict=True))
    pairs = [
        (colour, meant[name.lower()])
        for name, colour in zip(classes.names, classes.colours, strict=True)
        if name.lower() in meant
    ]
    right = sum(own == other for own, other in pairs)
    swapped = sum(own == other[::-1] and own != other for own, other in pairs)
    if swapped >= FEW and swapped > right:
        yield f"the colours are {known.name}'s with red and blue swapped (BGR read as RGB)", MAP
    for number in (1, -1):
        moved = _moved(classes, known, number)
        if moved >= FEW and moved > right:
            where = "later" if number > 0 else "earlier"
            yield (
                f"{moved} classes have the colour of the next {where} class in {known.name}: shifted by one, as when "
                "11 and 12 classes are mixed (Road_marking)",
                MAP,
            )


def _moved(classes: ClassMap, known: ClassMap, number: int) -> int:
    """How many classes have the colour of the class that many places on: among CamVid's 12, or in ``known``."""
    table = CLASS_MAPS["camvid-12"] if known.name.startswith("camvid") else known
    names = [name.lower() for name in table.names]
    count = 0
    for name, colour in zip(classes.names, classes.colours, strict=True):
        place = names.index(name.lower()) + number if name.lower() in names else -1
        count += 0 <= place < len(table) and colour == table.colours[place] != table.colours[place - number]
    return count


def _counted(classes: ClassMap) -> Iterator[tuple[str, str]]:
    """Nameless maps with CamVid's colours of the other length."""
    for known in (CLASS_MAPS["camvid-11"], CLASS_MAPS["camvid-12"]):
        shared = len(set(classes.colours) & set(known.colours))
        in_place = sum(own == other for own, other in zip(classes.colours, known.colours, strict=False))
        if len(classes) == len(known) and shared >= len(known) - 1 and in_place < shared - FEW:
            yield f"{known.name}'s colours in another order: 11 and 12 classes may be mixed (Road_marking)", MAP


def _alike(classes: ClassMap) -> Iterator[tuple[str, str]]:
    names = [*classes.names, "void"]
    colours = [*classes.colours, classes.void_colour]
    places = _lab(colours)
    same: list[str] = []
    near: list[str] = []
    for one, other in combinations(range(len(names)), 2):
        if colours[one] == colours[other]:
            same.append(f"{names[one]} = {names[other]} {_hex(colours[one])}")
        elif float(np.linalg.norm(places[one] - places[other])) < NEAR:
            near.append(f"{names[one]} {_hex(colours[one])} ~ {names[other]} {_hex(colours[other])}")
    if same:
        yield f"same colour: {'; '.join(same[:3])}{_more(same)}", MAP
    if near:
        yield f"nearly the same colour: {'; '.join(near[:3])}{_more(near)}", MAP


def _more(pairs: Sequence[str]) -> str:
    return f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _lab(colours: Sequence[Colour]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """float32 [N,3]"""
    return lab_of(np.array(colours, np.float32) / np.float32(255))
