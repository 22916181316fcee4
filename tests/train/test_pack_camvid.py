"""CamVid in a small parcel: the same names, labels to the byte, pictures nearly, and never larger than allowed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_segnet.core.errors import InputError
from edge_segnet.data.pairs import find_pairs
from edge_segnet.pictures.files import read_image, write_image
from edge_segnet.street import Street
from tools.pack_camvid import PARTS, pack


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    scene = Street((160, 120), seed=2)
    for number in range(8):
        image, labels = scene.render(40 * number)
        part = "val" if number > 5 else "train"
        write_image(tmp_path / "camvid" / part / f"{number}.png", image)
        write_image(tmp_path / "camvid" / PARTS[part] / f"{number}.png", labels)
    return tmp_path / "camvid"


def test_it_fits_and_is_the_same(camvid: Path, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    quality, size = pack(camvid, out, 200_000)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert size == sum(path.stat().st_size for path in files) <= 200_000 and len(files) == 16
    for part, labels in PARTS.items():
        packed, stored = find_pairs(out / part, out / labels), find_pairs(camvid / part, camvid / labels)
        for one, other in zip(packed, stored, strict=True):
            assert one.labels.read_bytes() == other.labels.read_bytes()
            difference = read_image(one.image).astype(int) - read_image(other.image)
            assert 0 < np.abs(difference).mean() < 6
    smaller, less = pack(camvid, tmp_path / "smaller", size - 1)
    assert smaller < quality and less < size


def test_what_does_not_fit_is_said(camvid: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not fit into 0 MiB"):
        pack(camvid, tmp_path / "pack", 3000)
