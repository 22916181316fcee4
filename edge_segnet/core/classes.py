"""Class maps: which id means which class, in which colour. Arrays in, arrays out; no files.

The maps that come along, with the 2015 demo's colours (SegNet-Tutorial ``camvid11.png``, ``camvid12.png``), the
Cityscapes benchmark's own (cityscapesScripts ``labels.py``, train ids and label ids), Pascal VOC's, and SUN RGB-D's.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core import class_tables
from edge_segnet.core.errors import UsageError

Colour = tuple[int, int, int]
MAX_CLASSES: Final = 255
"""Ids are uint8 and one more is needed for void."""
LUT_SIZE: Final = 256


@dataclass(frozen=True)
class ClassMap:
    """Names and RGB colours of ids 0..C-1. Id C is void: unlabelled in ground truth, invalid in a result."""

    name: str
    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    void_colour: Colour = (0, 0, 0)

    def __post_init__(self) -> None:
        if len(self.names) != len(self.colours):
            raise UsageError(f"class map {self.name}: {len(self.names)} names but {len(self.colours)} colours")
        if not 1 <= len(self.names) <= MAX_CLASSES:
            raise UsageError(
                f"class map {self.name}: {len(self.names)} classes", hint=f"1 to {MAX_CLASSES} are possible"
            )
        if not all(name.strip() for name in self.names):
            raise UsageError(f"class map {self.name}: class {[n.strip() for n in self.names].index('')} has no name")
        if repeated := _repeated([name.lower() for name in ("void", *self.names)]):
            clash = next(name for name in reversed(self.names) if name.lower() == repeated[0])
            reason = "is taken by the unlabelled pixels" if repeated[0] == "void" else "stands twice"
            raise UsageError(f"class map {self.name}: the name {clash!r} {reason}", hint="class names must differ")
        for name, colour in zip(self.names, self.colours, strict=True):
            if len(colour) != 3 or not all(isinstance(value, int) and 0 <= value <= 255 for value in colour):
                raise UsageError(
                    f"class map {self.name}: {name} has colour {colour!r}", hint="give three numbers 0 to 255"
                )
        if self.names == tuple(class_tables.CITYSCAPES_34):
            return  # whose benchmark paints its kinds of nothing, and two kinds of poles, alike
        for colour in dict.fromkeys(_repeated(self.colours)):
            same = ", ".join(name for name, other in zip(self.names, self.colours, strict=True) if other == colour)
            warnings.warn(f"class map {self.name}: {same} share the colour {list(colour)}", stacklevel=3)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def void(self) -> int:
        """The id of void: C, so 11 in CamVid-11 and 12 in CamVid-12."""
        return len(self.names)

    def index(self, name: str) -> int:
        """The id of a class name, upper and lower case being the same.

        Raises:
            UsageError: there is no such class.
        """
        lower = [known.lower() for known in self.names]
        if name.lower() not in lower:
            raise UsageError(f"{self.name} has no class {name!r}", hint=f"it has {', '.join(self.names)}")
        return lower.index(name.lower())

    @property
    def lut_rgb(self) -> NDArray[np.uint8]:
        """The palette that ``from_lut`` reads, uint8 [256,3] RGB: black from id C on."""
        lut = np.zeros((LUT_SIZE, 3), np.uint8)
        lut[: len(self)] = self.colours
        return lut

    @cached_property
    def lut_bgr(self) -> NDArray[np.uint8]:
        """Colour of every possible id, uint8 [256,3] BGR; void's colour from id C on."""
        lut = np.empty((LUT_SIZE, 3), np.uint8)
        lut[:] = self.void_colour[::-1]
        lut[: len(self)] = np.array(self.colours, np.uint8)[:, ::-1]
        lut.setflags(write=False)
        return lut

    def to_dict(self) -> dict[str, Any]:
        """The form that YAML files and model metadata hold."""
        classes = [{"name": name, "colour": list(rgb)} for name, rgb in zip(self.names, self.colours, strict=True)]
        return {"name": self.name, "classes": classes, "void_colour": list(self.void_colour)}


def ids_in(old: ClassMap, new: ClassMap, flag: str) -> NDArray[np.uint8]:
    """Of every id of NEW's the id in OLD's map, uint8 [256], by the classes' names; ``flag`` stands in the error.

    Raises:
        UsageError: one of the two has a class that the other has not.
    """
    places = {name.lower(): place for place, name in enumerate(old.names)}
    own = {name.lower() for name in new.names}
    if strangers := sorted(own ^ places.keys()):
        what = f"{flag}: only one of the models has {', '.join(strangers)}"
        raise UsageError(what, hint="give two models of the same classes")
    table = np.arange(256).astype(np.uint8)
    table[: len(new)] = [places[name.lower()] for name in new.names]
    return table


def _repeated(values: Sequence[Any]) -> list[Any]:
    return [value for index, value in enumerate(values) if value in values[:index]]


def from_dict(data: object, where: str) -> ClassMap:
    """Read what ``to_dict`` wrote: ``{name, classes: [{name, colour: [r, g, b]}], void_colour?}``.

    Raises:
        UsageError: something is missing, unknown or of the wrong kind; ``where`` names the file.
    """
    hint = "see docs/class-maps.md for the form"
    if not isinstance(data, Mapping) or not isinstance(data.get("classes"), list):
        raise UsageError(f"{where}: not a class map", hint=hint)
    if unknown := sorted(set(data) - {"name", "classes", "void_colour"}):
        raise UsageError(f"{where}: unknown key {unknown[0]!r}", hint=hint)
    names, colours = [], []
    for number, entry in enumerate(data["classes"]):
        if not isinstance(entry, Mapping) or set(entry) != {"name", "colour"} or not isinstance(entry["name"], str):
            raise UsageError(f"{where}: class {number} needs a 'name' (text) and a 'colour' ([r, g, b])", hint=hint)
        names.append(entry["name"])
        colours.append(_colour(entry["colour"], f"{where}: class {number} ({entry['name']})"))
    void_colour = _colour(data.get("void_colour", (0, 0, 0)), f"{where}: void_colour")
    return ClassMap(str(data.get("name", where)), tuple(names), tuple(colours), void_colour)


def _colour(value: object, where: str) -> Colour:
    if not isinstance(value, (list, tuple)) or len(value) != 3 or not all(type(part) is int for part in value):
        raise UsageError(f"{where} has colour {value!r}", hint="give three numbers 0 to 255: [red, green, blue]")
    return value[0], value[1], value[2]


def from_lut(rgb: NDArray[np.uint8], names: Sequence[str] | None, where: str, count: int | None = None) -> ClassMap:
    """A class map from a palette such as ``camvid12.png``.

    A palette with the colours of one of the maps here gets its names. One that has them with red and blue swapped
    (a BGR array written as if it were RGB) is put right, with a warning.

    Args:
        rgb: uint8 [256,3], RGB: the colour of each id; unused ids are black.
        names: class names; without them a known map's, or ``class_0`` and so on.
        count: how many classes; without it, up to the last colour that is not black.

    Raises:
        UsageError: the palette has no colours, or not as many as there are names.
    """
    used = np.flatnonzero(rgb.any(axis=1))
    if used.size == 0:
        raise UsageError(f"{where}: every entry is black", hint="this is no class palette")
    found = int(used[-1]) + 1
    count = count or (len(names) if names else found)
    if found > count:
        raise UsageError(f"{where}: {found} colours for {count} classes", hint="the palette belongs to another model")
    known = _recognised(rgb)
    if known is None and (known := _recognised(rgb[:, ::-1])) is not None:
        warnings.warn(f"{where}: {known.name}'s palette with red and blue swapped; it is read as meant", stacklevel=2)
        rgb = rgb[:, ::-1]
    own = known.names if known is not None and len(known) == count else None
    labels = tuple(names or own or (f"class_{number}" for number in range(count)))
    colours = tuple((int(r), int(g), int(b)) for r, g, b in rgb[:count])
    return ClassMap(where, labels, colours)


def _recognised(rgb: NDArray[np.uint8]) -> ClassMap | None:
    """The map that comes along with exactly these colours."""
    return next((known for known in CLASS_MAPS.values() if np.array_equal(known.lut_rgb, rgb)), None)


def _known(name: str, table: dict[str, Colour]) -> ClassMap:
    return ClassMap(name, tuple(table), tuple(table.values()))


_CAMVID: dict[str, Colour] = {
    "Sky": (128, 128, 128),
    "Building": (128, 0, 0),
    "Pole": (192, 192, 128),
    "Road_marking": (255, 69, 0),
    "Road": (128, 64, 128),
    "Pavement": (60, 40, 222),
    "Tree": (128, 128, 0),
    "SignSymbol": (192, 128, 128),
    "Fence": (64, 64, 128),
    "Car": (64, 0, 128),
    "Pedestrian": (64, 64, 0),
    "Bicyclist": (0, 128, 192),
}
CAMVID_12 = _known("camvid-12", _CAMVID)
CAMVID_11 = _known("camvid-11", {name: colour for name, colour in _CAMVID.items() if name != "Road_marking"})
CITYSCAPES_19 = _known(
    "cityscapes-19",
    {
        name: colour
        for name, colour in class_tables.CITYSCAPES_34.items()
        if name not in class_tables.CITYSCAPES_NOT_SCORED
    },
)
CITYSCAPES_34 = _known("cityscapes-34", class_tables.CITYSCAPES_34)
PASCAL_21 = replace(_known("pascal-21", class_tables.PASCAL_21), void_colour=class_tables.PASCAL_BORDER)
SUN_37 = _known("sun-37", class_tables.SUN_37)
CLASS_MAPS = {known.name: known for known in (CAMVID_11, CAMVID_12, CITYSCAPES_19, CITYSCAPES_34, PASCAL_21, SUN_37)}
VOID_OUTPUTS: Final = {"sun-37": 0}
"""Where networks that were trained with a class map have one more output, which stands for void."""
