"""``edge-segnet evaluate``: the scores, the JSON, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11, CAMVID_12, ClassMap
from edge_segnet.data.dataset import classes_yaml
from edge_segnet.graph import card as cards
from edge_segnet.pictures.files import read_image
from edge_segnet.pictures.shape import unfit_labels
from tests.conftest import picture
from tests.support.command import edge_segnet
from tests.support.models import SIZE
from tests.support.pictures import read_labels


@pytest.fixture
def folders(tmp_path: Path, model: Path) -> tuple[Path, Path]:
    """Three pictures; their labels are what the model says, with a band of void and one wrong corner."""
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    for seq in range(3):
        cv2.imwrite(str(images / f"{seq}.png"), picture(128, 96, seq))
    done = edge_segnet("segment", images, "-m", model, "-o", labels, "--visualize", "labels")
    assert done.code == 0
    for path in labels.iterdir():
        ids = read_labels(path).copy()
        ids[:10] = 11
        ids[-8:, -8:] = (ids[-8:, -8:] + 1) % 11
        cv2.imwrite(str(path), ids)
    return images, labels


def test_the_documents_keys_and_values(folders: tuple[Path, Path], model: Path) -> None:
    images, labels = folders
    done = edge_segnet("evaluate", "--images", images, "--labels", labels, "-m", model, "--json", "-")
    assert done.code == 0
    (document,) = done.documents
    wanted = {"global_accuracy", "class_accuracy", "mean_iou", "iou", "frames", "model", "backend", "confusion"}
    assert wanted <= document.keys()
    assert (document["frames"], document["model"], document["backend"]) == (3, "tiny", "onnx")
    assert list(document["iou"]) == list(CAMVID_11.names)
    assert document["frames_per_second"] > 0
    right = 1 - 64 / (86 * 128)
    assert document["global_accuracy"] == pytest.approx(right, abs=1e-5)
    matrix = np.array(document["confusion"]["matrix"])
    assert matrix.shape == (11, 12) and matrix.sum() == 3 * 86 * 128
    assert document["confusion"]["classes"] == [*CAMVID_11.names, "void"]
    known = [value for value in document["iou"].values() if value is not None]
    assert document["mean_iou"] == pytest.approx(sum(known) / len(known), abs=1e-4)


def test_scores_are_taken_at_the_labels_size(folders: tuple[Path, Path], model: Path) -> None:
    """Scaling labels down to the network's size would hide what the network can't see."""
    images, labels = folders
    done = edge_segnet("evaluate", "--images", images, "--labels", labels, "-m", model, "--json", "-")
    assert np.sum(done.documents[0]["confusion"]["matrix"]) == 3 * 86 * 128
    assert unfit_labels(np.zeros(SIZE[::-1], np.uint8), (128, 96), 11).shape == (96, 128)


def test_people_get_a_table(folders: tuple[Path, Path], model: Path, tmp_path: Path) -> None:
    images, labels = folders
    flags = ("--images", images, "--labels", labels, "-m", model, "--json", tmp_path / "scores.json")
    done = edge_segnet("evaluate", *flags)
    assert done.code == 0
    rows = done.out.splitlines()
    assert rows[0].split()[:2] == ["class", "IoU"]
    assert [row.split()[0] for row in rows[1:12]] == list(CAMVID_11.names)
    assert rows[12].startswith("mean IoU ") and "global accuracy 99.4 %" in rows[12]
    assert rows[13].startswith("calibration error ") and "AUROC of wrong pixels 0." in rows[13]
    assert rows[14].startswith("3 frames, ") and rows[14].endswith("frames/s of inference on onnx")
    assert all(len(row) <= 80 for row in rows)
    assert json.loads((tmp_path / "scores.json").read_text())["frames"] == 3


def test_a_calibrated_copy_and_a_curve(folders: tuple[Path, Path], model: Path, tmp_path: Path) -> None:
    flags = ("--images", folders[0], "--labels", folders[1])
    out, curve = tmp_path / "sure.onnx", tmp_path / "curve.png"
    done = edge_segnet("evaluate", *flags, "-m", model, "--calibrate", out, "--curve", curve, "--json", "-")
    assert done.code == 0, done.error
    assert f"{out}: temperature " in done.err and curve.read_bytes().startswith(b"\x89PNG")
    made, before = cards.load(str(out)), cards.load(str(model))
    calibration = made.card.calibration
    assert calibration is not None and calibration.measured_on == "3 pictures of images"
    assert calibration.weights == cards.fingerprint(before.proto) and before.card.calibration is None
    again = edge_segnet("evaluate", *flags, "-m", out, "--json", "-").documents[0]
    first = done.documents[0]
    assert again["iou"] == first["iou"]
    assert again["calibration_error"] < first["calibration_error"]
    assert 0.0 < again["auroc_of_wrong"] < 1.0
    assert again["calibration_error"] == pytest.approx(0, abs=0.1)
    assert edge_segnet("evaluate", *flags, "-m", model, "--calibrate", tmp_path / "x.bin").code == 2


def test_too_little_to_calibrate_with(folders: tuple[Path, Path], model: Path, tmp_path: Path) -> None:
    for seq in (1, 2):
        for folder in folders:
            (folder / f"{seq}.png").unlink()
    flags = ("--images", folders[0], "--labels", folders[1], "-m", model)
    done = edge_segnet("evaluate", *flags, "--calibrate", tmp_path / "x.onnx")
    assert done.code == 4 and "images: too little to calibrate with" in done.error
    assert not (tmp_path / "x.onnx").exists()


def test_another_void(folders: tuple[Path, Path], model: Path) -> None:
    images, labels = folders
    for path in labels.iterdir():
        ids = read_labels(path).copy()
        ids[ids == 11] = 255
        cv2.imwrite(str(path), ids)
    flags = ("--images", images, "--labels", labels, "-m", model)
    done = edge_segnet("evaluate", *flags)
    assert done.code == 4
    assert "0.png: label value 255 is no class (0 to 10) and not void (11): check --classes and --void" in done.error
    done = edge_segnet("evaluate", *flags, "--void", "255", "--json", "-")
    assert done.code == 0 and np.sum(done.documents[0]["confusion"]["matrix"]) == 3 * 86 * 128
    assert edge_segnet("evaluate", *flags, "--void", "300").code == 2


def test_mismatched_sizes(folders: tuple[Path, Path], model: Path, tmp_path: Path) -> None:
    images, labels = folders
    cv2.imwrite(str(images / "1.png"), read_image(images / "1.png")[:-1])
    out = tmp_path / "scores.json"
    done = edge_segnet("evaluate", "--images", images, "--labels", labels, "-m", model, "--json", out)
    assert done.code == 4
    assert f"{images / '1.png'} and {labels / '1.png'} differ in size: 128x95 and 128x96" in done.error
    assert not out.exists()


def test_missing_pairs(folders: tuple[Path, Path], model: Path) -> None:
    images, labels = folders
    (labels / "2.png").unlink()
    done = edge_segnet("evaluate", "--images", images, "--labels", labels, "-m", model)
    assert done.code == 4
    assert f"{images / '2.png'} has no labels in {labels}" in done.error


def test_a_broken_picture(folders: tuple[Path, Path], model: Path) -> None:
    images, labels = folders
    (images / "2.png").write_bytes((images / "2.png").read_bytes()[:900])
    done = edge_segnet("evaluate", "--images", images, "--labels", labels, "-m", model)
    assert done.code == 4
    assert f"{images / '2.png'}: the PNG is cut off" in done.error


def test_folders_that_are_not_there(folders: tuple[Path, Path], model: Path, tmp_path: Path) -> None:
    done = edge_segnet("evaluate", "--images", tmp_path / "no", "--labels", folders[1], "-m", model)
    assert done.code == 4
    assert f"{tmp_path / 'no'}: No such file or directory" in done.error
    done = edge_segnet("evaluate", "--images", folders[0], "-m", model)
    assert done.code == 2 and "--labels" in done.error


def test_a_full_standard_output(folders: tuple[Path, Path], model: Path) -> None:
    flags = ("--images", folders[0], "--labels", folders[1], "-m", model)
    for more in ((), ("--json", "-")):
        done = edge_segnet("evaluate", *flags, *more, out="/dev/full")
        assert done.code == 4
        assert "standard output" in done.error


# Class maps of the labels ---------------------------------------------------------------------------------------


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """A data set of rendered streets in CamVid-11, with its classes.yaml."""
    root = tmp_path / "street"
    done = edge_segnet("dataset", "init", root, "--rendered", "4", "--size", "128x96")
    assert done.code == 0, done.err
    return root / "train"


def recoded(street: Path, tmp_path: Path, classes: ClassMap, merge: dict[str, str]) -> Path:
    """The street's labels with the ids of another class map."""
    out = tmp_path / "other"
    out.mkdir()
    names = [merge.get(name, name).lower() for name in CAMVID_11.names]
    known = [name.lower() for name in classes.names]
    table = np.full(256, classes.void, np.uint8)
    table[:11] = [known.index(name) for name in names]
    for path in (street / "labels").iterdir():
        cv2.imwrite(str(out / path.name), table[read_labels(path)])
    return out


def scores_of(*arguments: str | Path) -> dict[str, Any]:
    done = edge_segnet("evaluate", *arguments, "--json", "-")
    assert done.code == 0, done.err
    (document,) = done.documents
    return {key: document[key] for key in ("mean_iou", "global_accuracy", "iou")}


def test_labels_of_another_class_map_are_scored_by_name(street: Path, tmp_path: Path) -> None:
    own = scores_of("--images", street / "images", "--labels", street / "labels")
    assert own["global_accuracy"] > 0.5
    twelve = recoded(street, tmp_path, CAMVID_12, {})
    command = ("--images", street / "images", "--labels", twelve, "--classes", "camvid-12")
    done = edge_segnet("evaluate", *command)
    assert done.code == 2
    assert "camvid-12 has Road_marking, which camvid-11 of the model has not: say where it goes: --merge" in done.error
    assert scores_of(*command, "--merge", "Road_marking=Road") == own
    assert scores_of(*command, "--drop", "Road_marking") == own


def test_labels_that_look_like_another_class_map_are_refused(street: Path, tmp_path: Path) -> None:
    twelve = recoded(street, tmp_path, CAMVID_12, {})
    done = edge_segnet("evaluate", "--images", street / "images", "--labels", twelve, "--void", "12")
    assert done.code == 4
    assert "the ids are CamVid's 12 classes" in done.error and "--classes MAP" in done.error


def test_the_data_sets_own_class_map_is_known(street: Path, tmp_path: Path) -> None:
    twelve = recoded(street, tmp_path, CAMVID_12, {})
    (twelve / "classes.yaml").write_text(classes_yaml(CAMVID_12))
    done = edge_segnet("evaluate", "--images", street / "images", "--labels", twelve, "--merge", "Road_marking=Road")
    assert done.code == 0, done.err
    assert f"class map of the labels: {twelve / 'classes.yaml'}" in done.err


def test_a_cityscapes_class_map_needs_its_counterparts_named(street: Path) -> None:
    command = ("--images", street / "images", "--labels", street / "labels", "--classes", "cityscapes-19")
    done = edge_segnet("evaluate", *command)
    assert done.code == 2 and "sidewalk, wall" in done.error
    done = edge_segnet("evaluate", *command, "--merge", "sidewalk=Pavment")
    assert done.code == 2
    done = edge_segnet("evaluate", *command, "--merge", "roads=Road")
    assert done.code == 2 and "neither cityscapes-19 nor camvid-11 has a class 'roads'" in done.error


def test_what_the_labels_lack_is_said(street: Path, tmp_path: Path) -> None:
    classes = replace(CAMVID_11, name="ten", names=CAMVID_11.names[:10], colours=CAMVID_11.colours[:10])
    (tmp_path / "ten.yaml").write_text(classes_yaml(classes))
    for path in (street / "labels").iterdir():
        ids = read_labels(path).copy()
        ids[ids >= 10] = 10
        cv2.imwrite(str(path), ids)
    command = ("--images", street / "images", "--labels", street / "labels", "--classes", tmp_path / "ten.yaml")
    done = edge_segnet("evaluate", *command)
    assert done.code == 0, done.err
    assert "note: the labels have no Bicyclist: where the model says so it is counted as wrong" in done.err
    assert "Bicyclist:" not in edge_segnet("evaluate", *command, "--merge", "Bicyclist=Pedestrian").err
