"""Labels to CVAT and back, in its own form."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.errors import InputError
from edge_segnet.data.cvat import labelmap, read_labelmap
from edge_segnet.pictures.files import read_image
from tests.conftest import left_in
from tests.support.command import edge_segnet
from tests.support.pictures import read_labels


@pytest.fixture
def street(tmp_path: Path) -> Path:
    root = tmp_path / "street"
    assert edge_segnet("dataset", "init", root, "--rendered", "8", "--size", "192x144").code == 0
    return root


def labels_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): read_labels(path).tobytes() for path in root.rglob("labels/*.png")}


def test_there_and_back(street: Path, tmp_path: Path) -> None:
    before = labels_of(street)
    archive = tmp_path / "out.zip"
    assert edge_segnet("dataset", "export", street, "-o", archive).code == 0
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
        assert {"labelmap.txt", "ImageSets/Segmentation/default.txt", "SegmentationClass/train0000.png"} <= set(names)
        assert packed.read("labelmap.txt").decode().splitlines()[1] == "background:0,0,0::"
        assert b"Sky:128,128,128::" in packed.read("labelmap.txt")
    done = edge_segnet("dataset", "import", archive, street, "--json", "-")
    assert done.code == 0, done.err
    assert done.documents[0]["untouched"] == [] and set(done.documents[0]["changed"].values()) == {0.0}
    assert labels_of(street) == before
    assert edge_segnet("labels", "lint", street, "--allow-warnings").code == 0


def test_a_person_has_corrected_some(street: Path, tmp_path: Path) -> None:
    """In CVAT's own order of labels, which is another one, and with the pictures that it adds."""
    export = tmp_path / "export"
    assert edge_segnet("dataset", "export", street, "-o", export, "--pictures").code == 0
    assert len(left_in(export / "JPEGImages")) == 10
    rows = (export / "labelmap.txt").read_text().splitlines()
    (export / "labelmap.txt").write_text("\n".join([rows[0], *sorted(rows[1:])]))
    mask = export / "SegmentationClass" / "train0001.png"
    painted = read_image(mask)
    painted[:8] = CAMVID_11.colours[8][::-1]
    painted[8:16] = 0  # nobody knows
    cv2.imwrite(str(mask), painted)
    (export / "SegmentationClass" / "train0002.png").unlink()
    cv2.imwrite(str(export / "SegmentationClass" / "stranger.png"), painted)
    kept = labels_of(street)
    done = edge_segnet("dataset", "import", export, street, "--json", "-")
    assert done.code == 0, done.err
    (told,) = done.documents
    assert told["strangers"] == ["stranger"] and told["untouched"] == ["train0002"]
    assert 0.05 < told["changed"]["train0001"] < 0.12 and told["changed"]["train0000"] == 0
    labels = read_labels(street / "train" / "labels" / "train0001.png")
    assert (labels[:8] == 8).all() and (labels[8:16] == CAMVID_11.void).all()
    after = labels_of(street)
    assert {name for name in kept if kept[name] != after[name]} == {"train/labels/train0001.png"}
    assert edge_segnet("labels", "lint", street, "--allow-warnings").code == 0


def test_the_export_is_taken_as_it_is(street: Path, tmp_path: Path) -> None:
    """``labels`` reads its folders and its table without a word about either."""
    export = tmp_path / "export"
    assert edge_segnet("dataset", "export", street, "-o", export, "--pictures").code == 0
    done = edge_segnet("labels", "convert", export, "-o", tmp_path / "ids", "--to", "camvid-11")
    assert done.code == 0, done.err
    made = read_labels(tmp_path / "ids" / "SegmentationClass" / "train0000.png")
    assert (made == read_labels(street / "train" / "labels" / "train0000.png")).all()


def test_what_is_refused_changes_nothing(street: Path, tmp_path: Path) -> None:
    export, before = tmp_path / "export", labels_of(street)
    assert edge_segnet("dataset", "export", street, "-o", export).code == 0
    mask, table = export / "SegmentationClass" / "val0000.png", export / "labelmap.txt"
    good, rows = mask.read_bytes(), table.read_text()

    def refused(code: int, words: str, exported: Path = export) -> None:
        done = edge_segnet("dataset", "import", exported, street)
        assert done.code == code and words in done.error, done.err
        assert labels_of(street) == before and not [name for name in left_in(street) if name.startswith(".")]

    cv2.imwrite(str(mask), np.full((144, 192, 3), (1, 2, 3), np.uint8))
    refused(4, "colour [3, 2, 1] at x=0, y=0 is no class")
    cv2.imwrite(str(mask), read_image(street / "val/images/val0000.png")[:50] * 0)
    refused(4, "differ in size: 192x50 and 192x144")
    mask.write_bytes(good)
    table.write_text(rows + "Dog:1,1,1::\n")
    refused(2, "Dog")
    table.write_text("Sky:1,1::\n")
    refused(4, "labelmap.txt:1: 'Sky:1,1::' is no label")
    table.unlink()
    refused(4, "labelmap.txt: No such file")
    refused(4, "no export of CVAT", tmp_path)
    (tmp_path / "no.zip").write_bytes(good)
    refused(4, "not a zip that can be read", tmp_path / "no.zip")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../../out.txt", "x")
    refused(4, "leads out of it", tmp_path / "bad.zip")
    assert edge_segnet("dataset", "export", street, "-o", export).code == 4
    assert edge_segnet("dataset", "export", tmp_path, "-o", tmp_path / "e").code in (2, 4)


def test_the_table(tmp_path: Path) -> None:
    path = tmp_path / "labelmap.txt"
    path.write_text("\ufeff# label:color_rgb:parts:actions\nbackground:0,0,0::\n\nRoad:128,64,128:left,right:walk\n")
    classes = read_labelmap(path)
    assert (classes.names, classes.colours, classes.void_colour) == (("Road",), ((128, 64, 128),), (0, 0, 0))
    path.write_text(labelmap(CAMVID_11))
    back = read_labelmap(path)
    assert (back.names, back.colours) == (CAMVID_11.names, CAMVID_11.colours)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"labelmap\.txt"):
        read_labelmap(path)
