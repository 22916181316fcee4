"""Names and colours of other benchmarks' classes, by id."""

from __future__ import annotations

from typing import Final

Table = dict[str, tuple[int, int, int]]


def spread(place: int) -> tuple[int, int, int]:
    """The colour of a class in Pascal VOC's devkit: the id's bits, three by three, from the highest bit down."""
    red = green = blue = 0
    for bit in range(8):
        red |= (place >> 3 * bit & 1) << 7 - bit
        green |= (place >> 3 * bit + 1 & 1) << 7 - bit
        blue |= (place >> 3 * bit + 2 & 1) << 7 - bit
    return red, green, blue


_PASCAL: Final = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
    "pottedplant sheep sofa train tvmonitor"
)
PASCAL_21: Final[Table] = {name: spread(place) for place, name in enumerate(_PASCAL.split())}
PASCAL_BORDER: Final = (224, 224, 192)
"""What the benchmark paints around objects, and scores as void."""
_SUN: Final = (
    "wall floor cabinet bed chair sofa table door window bookshelf picture counter blinds desk shelves curtain dresser "
    "pillow mirror floor_mat clothes ceiling books fridge tv paper towel shower_curtain box whiteboard person "
    "night_stand toilet sink lamp bathtub bag"
)
SUN_37: Final[Table] = {name: spread(place) for place, name in enumerate(_SUN.split(), start=1)}
"""SUN RGB-D's order (seg37list). Networks have 38 outputs, of which 0 is void. The data set names no colours, and the
tables that others publish differ, so these follow Pascal's rule; SegNet's own sun.png goes with ``--colours``.
"""
CITYSCAPES_34: Final[Table] = {
    "unlabeled": (0, 0, 0),
    "ego vehicle": (0, 0, 0),
    "rectification border": (0, 0, 0),
    "out of roi": (0, 0, 0),
    "static": (0, 0, 0),
    "dynamic": (111, 74, 0),
    "ground": (81, 0, 81),
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "parking": (250, 170, 160),
    "rail track": (230, 150, 140),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "guard rail": (180, 165, 180),
    "bridge": (150, 100, 100),
    "tunnel": (150, 120, 90),
    "pole": (153, 153, 153),
    "polegroup": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "caravan": (0, 0, 90),
    "trailer": (0, 0, 110),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}
"""Label ids of cityscapesScripts, ``labels.py``."""
CITYSCAPES_NOT_SCORED: Final = frozenset(
    {
        "unlabeled",
        "ego vehicle",
        "rectification border",
        "out of roi",
        "static",
        "dynamic",
        "ground",
        "parking",
        "rail track",
        "guard rail",
        "bridge",
        "tunnel",
        "polegroup",
        "caravan",
        "trailer",
    }
)
"""The label ids that cityscapesScripts' ``labels.py`` ignores in evaluation: those that have no train id."""
