"""``edge-segnet evaluate --compare OLD NEW``: what changed, whether it may be luck, and the gate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11, ClassMap
from edge_segnet.graph import card as cards
from edge_segnet.graph.build import build_model
from edge_segnet.pictures.files import read_image
from tests.conftest import left_in, picture
from tests.support.command import Done, edge_segnet
from tests.support.models import SIZE, save_tiny, tiny_architecture, tiny_weights
from tests.support.pictures import read_labels

Folders = tuple[Path, Path]


@pytest.fixture
def truth(tmp_path: Path, model: Path) -> Folders:
    """Four drives of three pictures; the labels are what the tiny model says, but for two wrong rows."""
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    for drive in range(4):
        for seq in range(3):
            cv2.imwrite(str(images / f"d{drive}_f{seq:03d}.png"), picture(128, 96, 10 * drive + seq))
    assert edge_segnet("segment", images, "-m", model, "-o", labels, "--visualize", "labels").code == 0
    for path in labels.iterdir():
        ids = read_labels(path).copy()
        ids[:10], ids[-2:] = 11, (ids[-2:] + 1) % 11
        cv2.imwrite(str(path), ids)
    return images, labels


def save_other(
    path: Path, seed: int = 1, order: tuple[int, ...] = tuple(range(11)), classes: ClassMap = CAMVID_11
) -> Path:
    """A tiny model of other weights, which is a worse one, or with its outputs and classes in another order."""
    architecture = tiny_architecture(11)
    weights = tiny_weights(architecture, seed)
    for name in ("conv1_D.weight", "conv1_D.bias"):
        weights[name] = weights[name][list(order)]
    names, colours = (tuple(classes.names[each] for each in order), tuple(classes.colours[each] for each in order))
    ordered = replace(classes, name=path.stem, names=names, colours=colours)
    cards.save(cards.attach(build_model(architecture, weights, SIZE), name=path.stem, classes=ordered), path)
    return path


def compare(truth: Folders, old: Path, new: Path, *more: str | Path) -> Done:
    return edge_segnet("evaluate", "--images", truth[0], "--labels", truth[1], "--compare", old, new, *more)


def test_a_worse_model_misses_the_gate(truth: Folders, model: Path, tmp_path: Path) -> None:
    worse, sheet = save_other(tmp_path / "worse.onnx"), tmp_path / "sheet.png"
    done = compare(truth, model, worse, "--sheet", sheet, "--gate", "mean_iou >= -0.0; speed > 0.01", "--json", "-")
    assert done.code == 7
    (found,) = done.documents
    assert f"{worse} misses the gate: mean_iou >= -0: -" in done.error and "speed" not in done.error
    single = edge_segnet("evaluate", "--images", truth[0], "--labels", truth[1], "-m", worse, "--json", "-").documents[
        0
    ]
    assert found["new"]["iou"] == single["iou"] and found["new"]["confusion"] == single["confusion"]
    change = found["difference"]["mean_iou"]
    assert change["points"] == pytest.approx(100 * (found["new"]["mean_iou"] - found["old"]["mean_iou"]), abs=2e-3)
    assert change["low"] <= change["points"] <= change["high"] < 0
    assert found["intervals"] == {"sure": 0.95, "over": "drives", "groups": 4}
    assert list(found["difference_iou"]) == list(CAMVID_11.names)
    assert [each["met"] for each in found["gate"]] == [False, True]
    assert len(found["new"]["model_sha256"]) == 64 and found["new"]["model_sha256"] != found["old"]["model_sha256"]
    shares = [each["differing"] for each in found["worst"]]
    assert shares == sorted(shares, reverse=True) and 0.2 < found["differing"] < 1.0
    assert np.mean(shares) == pytest.approx(found["differing"], abs=1e-4)  # all twelve frames are shown
    picture_ = read_image(sheet)
    assert picture_.shape[1] == 5 * 248 + 8 and picture_.shape[0] > 12 * 180
    assert (picture_ == (50, 50, 230)).all(axis=2).any()


def test_the_same_model_twice(truth: Folders, model: Path) -> None:
    done = compare(truth, model, model, "--gate", "mean_iou >= -0.0; Road >= -0.5; mean_iou.low >= 0")
    assert done.code == 0, done.err
    rows = done.out.splitlines()
    assert [row.split()[0] for row in rows[4:15]] == list(CAMVID_11.names)
    assert rows[1].startswith("mean IoU") and "+0.00 to +0.00" in rows[1]
    assert "0.0 % of the pixels differ" in done.out and "gate: mean_iou >= -0: +0.00, met" in done.out
    assert "12 frames, resampled by 4 drives" in done.out and "so few drives" in done.out
    assert all(len(row) <= 80 for row in rows[:16])


def test_classes_are_matched_by_name(truth: Folders, model: Path, tmp_path: Path) -> None:
    turned = save_other(tmp_path / "turned.onnx", seed=0, order=(*range(1, 11), 0))
    (found,) = compare(truth, model, turned, "--json", "-").documents
    assert found["differing"] == 0 and found["new"]["iou"] == found["old"]["iou"]
    names = ("Wall", *CAMVID_11.names[1:])
    other = save_other(tmp_path / "other.onnx", classes=replace(CAMVID_11, names=names))
    done = compare(truth, model, other)
    assert done.code == 2 and "only one of the models has sky, wall" in done.error


def test_frames_of_one_drive(truth: Folders, model: Path, tmp_path: Path) -> None:
    worse = save_other(tmp_path / "worse.onnx")
    done = compare(truth, model, worse, "--drives", "^d", "--json", "-")
    assert done.documents[0]["intervals"] == {"sure": 0.95, "over": "stretches of the one drive", "groups": 10}
    done = compare(truth, model, worse, "--drives", r"^(d[01])?", "--json", "-")
    assert done.documents[0]["intervals"]["groups"] == 3


def test_a_model_of_another_size(truth: Folders, model: Path, tmp_path: Path) -> None:
    large = save_tiny(tmp_path / "large.onnx", size=(128, 96))
    (found,) = compare(truth, model, large, "--json", "-").documents
    assert found["old"]["frames"] == found["new"]["frames"] == 12 and found["differing"] > 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--gate", "mean_iou"), "'mean_iou' is no bound: write NAME >= NUMBER"),
        (("--gate", "; "), "no bound"),
        (("--gate", "Walker >= 0"), "nothing is called 'Walker': known are mean_iou, "),
        (("--drives", "("), "--drives (: no regular expression"),
        (("--drives", "x(.)"), "does not fit 'd0_f000'"),
        (("--calibrate", "x.onnx"), "--curve and --calibrate are about one model"),
    ],
)
def test_what_makes_no_sense(truth: Folders, model: Path, more: tuple[str, ...], words: str) -> None:
    done = compare(truth, model, model, *more)
    assert done.code == 2 and words in done.error


def test_a_gate_without_a_comparison(truth: Folders, model: Path) -> None:
    done = edge_segnet("evaluate", "--images", truth[0], "--labels", truth[1], "-m", model, "--gate", "mean_iou > 0")
    assert done.code == 2 and "belong to --compare" in done.error


def test_what_nobody_knows_misses_its_bound(truth: Folders, model: Path, tmp_path: Path) -> None:
    """No pixel of a class in truth or results."""
    for path in truth[1].iterdir():
        ids = read_labels(path).copy()
        ids[ids == 2] = 11
        cv2.imwrite(str(path), ids)
    out = tmp_path / "out" / "found.json"
    flags = ("--merge", "Pole=Road", "--gate", "Pole >= -5; Road > -1", "--json", out)
    done = compare(truth, model, model, *flags, "--classes", "camvid-11")
    assert done.code == 7 and "misses the gate: Pole >= -5: unknown, missed" in done.error
    found = json.loads(out.read_text())
    assert found["difference_iou"]["Pole"] == {"points": None, "low": None, "high": None}
    assert found["gate"][0] == {"bound": "Pole >= -5", "value": None, "met": False}


def test_a_model_that_computes_no_numbers(truth: Folders, model: Path, tmp_path: Path) -> None:
    """Its scale overflows: the weights themselves are numbers, or it would not open."""
    architecture = tiny_architecture(11)
    weights = {name: value * np.float32(1e30) for name, value in tiny_weights(architecture).items()}
    path, sheet = tmp_path / "broken.onnx", tmp_path / "sheet.png"
    cards.save(cards.attach(build_model(architecture, weights, SIZE), name="broken", classes=CAMVID_11), path)
    before = left_in(tmp_path)
    done = compare(truth, model, path, "--sheet", sheet)
    assert done.code == 3 and "the network's outputs are no numbers" in done.error
    assert left_in(tmp_path) == before
