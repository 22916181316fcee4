"""One function per fault that label images are known for; each takes the whole data set and yields findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.data.labels.findings import Dataset, Finding, Severity
from edge_segnet.data.labels.leaks import Leak, find_leaks
from edge_segnet.data.labels.mirror import find_turn
from edge_segnet.data.labels.shift import find_shift
from edge_segnet.data.labels.survey import Facts
from edge_segnet.data.labels.swap import find_swap

_LOSSY: Final = frozenset({".jpg", ".jpeg", ".webp"})
_VOID_NAMES: Final = frozenset({"unlabelled", "unlabeled", "ignore", "ignored", "unknown", "none", "dontcare", "other"})
_BLENDED: Final = 0.05
"""Share of a colour mask's off-palette colours among its colour changes, and of in-between ids among the ids' changes,
from which on interpolation is the only explanation: clean labels have next to none.
"""
_RARE: Final = 0.001
_FAR: Final = 4
"""Share of a mask's pixels below which a foreign colour is a blend, and how many such colours a clean export may have.
"""


def unreadable(data: Dataset) -> Iterator[Finding]:
    bad = [one for one in data.facts if one.error]
    if bad:
        yield Finding("error", "unreadable", bad[0].error, "copy or export them again", _names(bad))


def unpaired(data: Dataset) -> Iterator[Finding]:
    if data.unpaired:
        files = tuple(map(str, data.unpaired))
        what = f"{len(files)} pictures or label images have no partner, or can't be read"
        yield Finding("error", "unpaired", what, "file names must match, without the suffix", files)


def sizes(data: Dataset) -> Iterator[Finding]:
    differ = [one for one in data.good if one.image_size not in (None, one.size)]
    if differ:
        one = differ[0]
        assert one.image_size is not None
        both = f"{_size(one.size)} and {_size(one.image_size)}"
        what = f"{len(differ)} label images differ from their picture in size: {both}"
        hint = "export them again; if you must resize labels, use nearest neighbour"
        yield Finding("error", "size-differs", what, hint, _names(differ))
    found = Counter(one.size for one in data.good)
    if len(found) > 1:
        some = ", ".join(f"{count} of {_size(size)}" for size, count in found.most_common(3))
        yield Finding(
            "note", "sizes-vary", f"label images have {len(found)} sizes: {some}", "training stretches them all"
        )


def forms(data: Dataset) -> Iterator[Finding]:
    lossy = [one for one in data.good if one.labels.suffix.lower() in _LOSSY]
    if lossy:
        what = f"{len(lossy)} label images are {lossy[0].labels.suffix} files, which may change values"
        yield Finding("error", "lossy-format", what, "export them as PNG from the source", _names(lossy))
    kinds = Counter(one.stored for one in data.good)
    if len(kinds) > 1:
        some = ", ".join(f"{count} {stored}" for stored, count in kinds.most_common(4))
        yield Finding("warning", "mixed-forms", f"label images come in {len(kinds)} forms: {some}", "labels convert")
    coloured = [one for one in data.good if one.kind == "colours"]
    if coloured:
        what = f"{len(coloured)} label images hold colours, not ids; train and evaluate read ids"
        hint = f"edge-segnet labels convert DIR --classes {data.classes.name} -o OUT"
        yield Finding("warning", "colours-not-ids", what, hint, _names(coloured))


def outside(data: Dataset) -> Iterator[Finding]:
    """Ids that are neither a class nor void; colours that are in no class map."""
    count = len(data.classes)
    bad = [one for one in data.good if one.kind != "colours" and _strangers(one, count, data.void)]
    if bad:
        pixels: Counter[int] = Counter()
        for one in bad:
            pixels.update({value: int(one.counts[value]) for value in _strangers(one, count, data.void)})
        some = ", ".join(f"{value} ({number:,} pixels)" for value, number in pixels.most_common(4))
        known_ids = f"no class of {data.classes.name} (0 to {count - 1}) and not void ({data.void})"
        what = f"{len(pixels)} values are {known_ids}: {some}"
        yield Finding("error", "value-outside", what, _outside_hint(pixels, count, data.void), _names(bad))
    known = {*data.classes.colours, data.classes.void_colour}
    yield from _by_damage(data, known)


def _strangers(one: Facts, count: int, void: int) -> list[int]:
    return [value for value in one.values if value >= count and value != void]


def _outside_hint(pixels: Counter[int], count: int, void: int) -> str:
    values = set(pixels)
    if values == {255}:
        return "if 255 is void here, give --void 255"
    if values == {count} and void != count:
        return f"{count} is void by default; you gave --void {void}"
    if count == 19 and max(values) <= 33:
        return "these look like Cityscapes' label ids (0 to 33); the class map has train ids: convert them first"
    return "check --classes and --void; 'labels inspect' shows where they are"


def _by_damage(data: Dataset, known: set[tuple[int, int, int]]) -> Iterator[Finding]:
    blended: list[Facts] = []
    foreign: list[Facts] = []
    strange: Counter[tuple[int, int, int]] = Counter()
    for one in data.good:
        off = {colour: number for colour, number in one.colours.items() if colour not in known}
        if off:
            # Blending makes many colours of few pixels each; a class that the map lacks is one colour of many.
            few = [colour for colour, number in off.items() if number < _RARE * sum(one.colours.values())]
            (blended if len(few) > max(_FAR, len(off) // 2) else foreign).append(one)
            strange.update(off)
    some = ", ".join(f"{colour} ({number:,} pixels)" for colour, number in strange.most_common(3))
    if blended:
        what = f"{len(blended)} colour masks have blended colours between the classes' ({len(strange)} in all: {some})"
        yield Finding(
            "error", "interpolated", what, "they were resized smoothly or were JPEG once: export again", _names(blended)
        )
    if foreign:
        what = f"{len(foreign)} colour masks have colours that {data.classes.name} lacks: {some}"
        yield Finding("error", "colour-outside", what, "add them to the class map, or merge them", _names(foreign))


def interpolated(data: Dataset) -> Iterator[Finding]:
    """Ids that lie between their neighbours' on the way from one class to another."""
    bad = [one for one in data.good if one.kind != "colours" and one.edges >= 50 and one.between > _BLENDED * one.edges]
    if bad:
        worst = max(bad, key=lambda one: one.between / one.edges)
        share = f"{100 * worst.between / worst.edges:.0f} %"
        what = f"{len(bad)} label images have ids between their neighbours' at up to {share} of the borders"
        yield Finding("error", "interpolated", what, "they were resized smoothly: use nearest neighbour", _names(bad))


def palettes(data: Dataset) -> Iterator[Finding]:
    """A palette PNG whose colours say other classes than its indices, or void where the map has a class."""
    colours = [*data.classes.colours, data.classes.void_colour]
    names = [*data.classes.names, "void"]
    for one in data.good:
        if one.palette is None:
            continue
        for value in one.values:
            stored = tuple(int(part) for part in one.palette[value]) if value < len(one.palette) else None
            if value >= len(data.classes) or stored is None or stored == colours[value] or stored not in colours:
                continue
            other = names[colours.index(stored)]
            if other == "void":
                what = (
                    f"{one.labels.name}: id {value} is {names[value]}, but its palette shows it as void {list(stored)}"
                )
                yield Finding(
                    "warning", "void-as-class", what, f"if {value} is void, give --void {value}", _names([one])
                )
            else:
                what = f"{one.labels.name}: id {value} is {names[value]}, but its palette shows {other}'s colour"
                hint = "the ids follow another order: labels convert --read colours"
                yield Finding("error", "palette-order", what, hint, _names([one]))
            return


def void_as_class(data: Dataset) -> Iterator[Finding]:
    """A class of the map that is void by its name or its colour: it would be learnt and scored like any other."""
    for value, (name, colour) in enumerate(zip(data.classes.names, data.classes.colours, strict=True)):
        if name.lower().replace("-", "").replace("_", "") in _VOID_NAMES:
            why = "void by its name"
        elif colour == data.classes.void_colour:
            why = f"shown in void's colour {list(colour)}"
        else:
            continue
        what = f"class {value} ({name}) is {why}: it is learnt and scored like any class"
        yield Finding("warning", "void-as-class", what, f"leave it out of the class map and give --void {value}")


def off_by_one(data: Dataset) -> Iterator[Finding]:
    shift = find_shift(_with_void(data), data.classes)
    if shift is not None:
        what = (
            f"by class shares and positions {shift.meaning} (distance from CamVid {shift.better:.2f}, "
            f"with {data.classes.name} {shift.given:.2f})"
        )
        yield Finding("error", "off-by-one", what, shift.hint)


def swapped(data: Dataset) -> Iterator[Finding]:
    """Two classes that have changed places: each borders on what the other does in every street."""
    pixels = data.bands.sum(axis=0)
    swap = find_swap(data.borders, pixels, data.classes, data.void, len(data.good))
    if swap is not None:
        what = (
            f"{swap.first} and {swap.second} border on what the other one does in CamVid "
            f"(distance {swap.given:.2f}, the other way round {swap.better:.2f})"
        )
        yield Finding("error", "swapped-classes", what, "are the two exchanged in the files or in the class map?")


def mirrored(data: Dataset) -> Iterator[Finding]:
    """Labels whose borders follow the picture's better the other way round."""
    seen = [one for one in data.good if one.mirror_gains is not None]
    found = find_turn([one.mirror_gains for one in seen if one.mirror_gains is not None])
    if found is not None:
        turn, places = found
        what = f"{len(places)} of {len(seen)} label images fit their picture better mirrored {turn}"
        severity: Severity = "error" if 2 * len(places) > len(seen) else "warning"
        hint = "pictures and labels must be turned together; export the labels again"
        yield Finding(severity, "mirrored", what, hint, _names([seen[place] for place in places]))


def _with_void(data: Dataset) -> NDArray[np.int64]:
    """The stripes with void at id C, wherever the files have it."""
    bands = data.bands
    if data.void != len(data.classes):
        bands[:, len(data.classes)] += bands[:, data.void]
        bands[:, data.void] = 0
    return bands


def never_seen(data: Dataset) -> Iterator[Finding]:
    for split in dict.fromkeys(one.split for one in data.good):
        pixels, _ = data.class_pixels(split)
        missing = [name for name, count in zip(data.classes.names, pixels, strict=True) if count == 0]
        if missing:
            what = f"{split}: never occurs: {', '.join(missing)}"
            hint = "what never occurs can't be learnt" if split.startswith("train") else "its IoU can't be measured"
            yield Finding("warning", "never-seen", what, hint)
    counts = data.bands.sum(axis=0)
    if 2 * counts[data.void] > counts.sum():
        share = f"{100 * counts[data.void] / counts.sum():.0f} %"
        yield Finding("warning", "mostly-void", f"{share} of all pixels are void ({data.void})", "is --void right?")


def leaks(data: Dataset) -> Iterator[Finding]:
    found = find_leaks(data.good)
    same, near = [one for one in found if one.likeness == 1.0], [one for one in found if one.likeness < 1.0]
    if same:
        yield _leak("error", "leak-same", "the same as", same)
    if near:
        yield _leak("warning", "leak-near", "nearly", near)


def _leak(severity: Severity, code: str, how: str, found: list[Leak]) -> Finding:
    one = found[0]
    what = (
        f"{len(found)} pictures of {one.second.split} are {how} one of {one.first.split}: "
        f"{_image(one.second)} and {_image(one.first)} (likeness {one.likeness:.3f})"
    )
    files = tuple(str(leak.second.image) for leak in found)
    return Finding(severity, code, what, "scores on them measure memory: split by film or place, not by frame", files)


def imbalance(data: Dataset) -> Iterator[Finding]:
    pixels, _ = data.class_pixels()
    seen = {int(count): name for name, count in zip(data.classes.names, pixels, strict=True) if count}
    if len(seen) > 1:
        most, least = max(seen), min(seen)
        what = f"{seen[most]} has {most / least:.0f} times the pixels of {seen[least]}"
        hint = "median-frequency weights are in the table; train balances by their square root"
        yield Finding("note", "imbalance", what, hint)


def _names(facts: list[Facts]) -> tuple[str, ...]:
    return tuple(str(one.labels) for one in facts)


def _image(one: Facts) -> str:
    return one.image.name if one.image else one.labels.name


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


CHECKS: Final[tuple[Callable[[Dataset], Iterator[Finding]], ...]] = (
    unreadable,
    unpaired,
    sizes,
    forms,
    outside,
    interpolated,
    palettes,
    void_as_class,
    off_by_one,
    swapped,
    mirrored,
    never_seen,
    leaks,
    imbalance,
)
