"""INT8 models for tests, with ranges measured on noise and gradients."""

from __future__ import annotations

from pathlib import Path

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Frame
from edge_segnet.graph import card as cards
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.graph.quantise import layers, quantise
from edge_segnet.offline.int8.ranges import measure
from edge_segnet.street import Street
from tests.support.models import tiny_model
from tests.support.nets import random_frame, random_model
from tests.support.pictures import write_picture


def frames(size: tuple[int, int], count: int) -> list[Frame]:
    """Pictures that differ."""
    images = [random_frame(size, seed)[0] for seed in range(count)]
    return [Frame(image, None, seq, 0, 0.0, "test") for seq, image in enumerate(images)]


def random_family(name: str, size: tuple[int, int]) -> OnnxModel:
    """A model of the family with random weights and CamVid-11's classes."""
    return cards.attach(random_model(name, size, 11), name=name, classes=CAMVID_11)


def int8_of(model: OnnxModel, left_out: tuple[str, ...] = ()) -> OnnxModel:
    """Its INT8 form, but for the layers ``left_out``."""
    view = model.shapes
    chosen = [layer for layer in layers(view) if layer.name not in left_out]
    sources = sorted({layer.source for layer in chosen})
    found = measure(model, sources, frames(model.card.size, 4), lambda: None)
    cuts = {name: found[name].cut("minmax") for name in sources}
    return cards.requantised(model, quantise(view, cuts, [layer.name for layer in chosen]), {"ranges": "minmax"})


def save_int8(path: Path) -> Path:
    """The tiny model in INT8."""
    cards.save(int8_of(tiny_model()), path)
    return path


def picture_folder(folder: Path, size: tuple[int, int], count: int = 12) -> Path:
    """A folder of pictures of the rendered street, which differ."""
    folder.mkdir()
    scene = Street(size)
    for number in range(count):
        write_picture(folder / f"{number:03}.png", scene.render(60 * number)[0])
    return folder
