"""Pictures and labels that belong together."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_segnet.core.errors import InputError
from edge_segnet.data.pairs import find_pairs
from tests.conftest import picture


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two pictures and their labels, which hold 0..4."""
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    for seq, name in enumerate(("a", "b")):
        cv2.imwrite(str(images / f"{name}.jpg"), picture(20, 10, seq))
        cv2.imwrite(str(labels / f"{name}.png"), (np.arange(200, dtype=np.uint8) % 5).reshape(10, 20))
    return images, labels


def test_pairs_are_matched_by_stem(folders: tuple[Path, Path]) -> None:
    pairs = find_pairs(*folders)
    assert [(pair.image.name, pair.labels.name) for pair in pairs] == [("a.jpg", "a.png"), ("b.jpg", "b.png")]
    image, labels = pairs[0].read(classes=5, void=5)
    assert image.shape == (10, 20, 3) and labels.shape == (10, 20) and labels.max() == 4


def test_void_becomes_the_number_of_classes(folders: tuple[Path, Path]) -> None:
    labels = np.full((10, 20), 255, np.uint8)
    labels[0] = 1
    cv2.imwrite(str(folders[1] / "a.png"), labels)
    read = find_pairs(*folders)[0].read(classes=5, void=255)[1]
    assert sorted(np.unique(read)) == [1, 5]
    read = find_pairs(*folders)[1].read(classes=5, void=3)[1]
    assert sorted(np.unique(read)) == [0, 1, 2, 4, 5]


def test_unknown_values_are_named(folders: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"a\.png: label value 3, 4 is no class \(0 to 2\) and not void \(11\)"):
        find_pairs(*folders)[0].read(classes=3, void=11)


def test_sizes_must_agree(folders: tuple[Path, Path]) -> None:
    cv2.imwrite(str(folders[0] / "b.jpg"), picture(21, 10))
    with pytest.raises(InputError, match=r"b\.jpg and .*b\.png differ in size: 21x10 and 20x10"):
        find_pairs(*folders)[1].read(classes=5, void=5)


def test_missing_partners_are_named(folders: tuple[Path, Path]) -> None:
    images, labels = folders
    (labels / "b.png").rename(labels / "c.png")
    with pytest.raises(InputError, match=r"b\.jpg has no labels in .*labels \(and 1 more without a partner\)"):
        find_pairs(images, labels)
    (images / "b.jpg").unlink()
    with pytest.raises(InputError, match=r"c\.png has no picture in .*images: file names must match"):
        find_pairs(images, labels)


def test_two_files_of_one_name_are_refused(folders: tuple[Path, Path]) -> None:
    cv2.imwrite(str(folders[0] / "a.png"), picture(20, 10))
    with pytest.raises(InputError, match=r"a\.png and a\.jpg have the same name"):
        find_pairs(*folders)


def test_folders_that_are_none(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no pictures in this folder"):
        find_pairs(folders[0], tmp_path / "empty")
    with pytest.raises(InputError, match="missing: No such file or directory"):
        find_pairs(tmp_path / "missing", folders[1])


def test_coloured_labels_are_refused(folders: tuple[Path, Path]) -> None:
    cv2.imwrite(str(folders[1] / "a.png"), picture(20, 10))
    with pytest.raises(InputError, match="8-bit RGB holds colours, not class ids: make ids of them first"):
        find_pairs(*folders)[0].read(classes=5, void=5)
