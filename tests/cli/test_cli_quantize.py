"""``edge-segnet quantize``, and its file in every runtime that is here."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edge_segnet.graph import card as cards
from edge_segnet.pictures.files import write_image
from tests.support.command import edge_segnet
from tests.support.int8 import picture_folder, save_int8
from tests.support.models import SIZE


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("pictures") / "train", SIZE)


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_int8(tmp_path_factory.mktemp("int8") / "tiny-int8.onnx")


def test_a_model_is_quantised_judged_and_written(model: Path, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "int8.onnx"
    done = edge_segnet("quantize", model, "--calibrate", pictures, "-o", out, "--json", tmp_path / "told.json")
    assert done.code == 0, done.err
    assert "conv2.linear" in done.out and "labels alike" in done.out
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["gate"]["holds"] and told["gate"]["measured"] >= 96 and told["frames"] == 12
    assert {row["name"] for row in told["layers"]} >= {"conv2.linear"} and told["method"] in told["methods"]
    made = cards.load(str(out))
    assert made.card.precision == "int8" and made.card.provenance["int8"]["calibrated_on"] == pictures.name
    again = edge_segnet("quantize", out, "--calibrate", pictures, "-o", tmp_path / "twice.onnx")
    assert again.code == 3 and "quantised already" in again.err and not (tmp_path / "twice.onnx").exists()


def test_labels_make_the_gate_the_mean_iou(model: Path, pictures: Path, tmp_path: Path) -> None:
    truth = tmp_path / "labels"
    done = edge_segnet("segment", pictures, "--model", model, "-o", truth, "--visualize", "labels", "--backend", "onnx")
    assert done.code == 0, done.err
    flags = ("--calibrate", pictures, "--val-images", pictures, "--val-labels", truth, "--json", "-")
    done = edge_segnet("quantize", model, *flags, "--max-drop", "20", "-o", tmp_path / "int8.onnx")
    assert done.code == 0, done.err
    gate = done.documents[0]["gate"]
    assert gate["mean_iou_fp32"] == 1.0 and 0.0 < gate["measured"] <= 20
    missed = edge_segnet("quantize", model, *flags, "--max-drop", "0", "-o", tmp_path / "none.onnx")
    assert missed.code == 7 and "the gate does not hold" in missed.err and not (tmp_path / "none.onnx").exists()
    assert missed.documents[0]["out"] is None and len(missed.documents[0]["layers"]) == 3
    assert "with 2 layers in float" in missed.err and "conv2.linear" in missed.err  # the table


def test_pictures_that_tell_nothing_are_refused(model: Path, pictures: Path, tmp_path: Path) -> None:
    few, alike = tmp_path / "few", tmp_path / "alike"
    few.mkdir()
    alike.mkdir()
    for number in range(9):
        write_image(alike / f"{number}.png", np.full((48, 64, 3), 90, np.uint8))
    write_image(few / "one.png", np.full((48, 64, 3), 90, np.uint8))
    for folder, words in ((few, "1 pictures, too few"), (alike, "all 9 pictures are alike")):
        done = edge_segnet("quantize", model, "--calibrate", folder, "-o", tmp_path / "x.onnx")
        assert done.code == 4 and words in done.err and done.err.count("\n") == 1, done.err
    for flags in (("-o", "x.bin"), ("-o", "x.onnx", "--val-images", "."), ("-o", "x.onnx", "--max-drop", "nan")):
        assert edge_segnet("quantize", model, "--calibrate", pictures, *flags).code == 2


def test_no_runtime_takes_another_precision_silently(model: Path, int8: Path, photo: Path) -> None:
    flags = ("--source", photo, "--seconds", "0.1", "--warmup", "0")
    for backend in ("onnx", "openvino") if find_spec("openvino") else ("onnx",):
        refused = edge_segnet("bench", "--model", int8, "--backend", backend, "--precision", "fp32", *flags)
        assert refused.code == 3 and "INT8 model, and does not compute in fp32" in refused.err
        refused = edge_segnet("bench", "--model", model, "--backend", backend, "--precision", "int8", *flags)
        assert refused.code == 3 and "edge-segnet quantize" in refused.err
        done = edge_segnet("bench", "--model", int8, "--backend", backend, "--json", "-", *flags)
        assert done.code == 0 and done.documents[0]["provenance"]["backend"] == f"{backend}-int8", done.err
    done = edge_segnet("convert", int8, "--for", "tensorrt", "--precision", "fp16", "-o", photo.with_suffix(".onnx"))
    assert done.code == 3 and "precision int8" in done.err
