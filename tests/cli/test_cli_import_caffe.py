"""``edge-segnet import-caffe`` from the shell: what it writes is a normal model; what it refuses leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11, CAMVID_12
from edge_segnet.graph import card as cards
from edge_segnet.graph.lower import lower
from edge_segnet.pictures.files import write_image
from tests.conftest import left_in, picture
from tests.graph.caffe.layouts import enet
from tests.graph.caffe.test_layers import CONV, HEAD, say
from tests.graph.caffe.writer import caffemodel
from tests.graph.runtimes import run_onnxruntime
from tests.support.command import edge_segnet
from tests.support.pictures import read_labels, write_lut


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A net of 12 classes with one pooling; both palettes; a photo."""
    text = HEAD + CONV + say("p", "Pooling", "c", "p", 'top: "mask" pooling_param { kernel_size: 2 stride: 2 }')
    text += say("u", "Upsample", "p mask", "u", "upsample_param { scale: 2 pad_out_h: true pad_out_w: true }")
    text += say("k", "Convolution", "u", "k", "convolution_param { num_output: 12 kernel_size: 1 }")
    text += say("a", "ArgMax", "k", "argmax", "argmax_param { axis: 1 }")
    rng = np.random.default_rng(0)
    shapes = {"c": [(4, 3, 3, 3), (4,)], "k": [(12, 4, 1, 1), (12,)]}
    weights = {name: [rng.normal(0, 0.1, shape) for shape in both] for name, both in shapes.items()}
    (tmp_path / "net.prototxt").write_text(text, encoding="utf-8")
    (tmp_path / "net.caffemodel").write_bytes(caffemodel(weights, dict.fromkeys(weights, "")))
    write_lut(tmp_path / "camvid11.png", CAMVID_11.lut_rgb)
    write_lut(tmp_path / "camvid12.png", CAMVID_12.lut_rgb)
    write_image(tmp_path / "photo.png", picture(80, 60))
    return tmp_path


NET = ("--model", "net.prototxt", "--weights", "net.caffemodel", "-o", "out.onnx")


def test_the_result_is_a_normal_model_and_the_report_says_what_happened(files: Path) -> None:
    done = edge_segnet("import-caffe", *NET, "--colours", "camvid12.png", folder=files)
    assert done.code == 0, done.err
    said = " ".join(done.out.split())
    for part in ("41x35", "2 Convolution", "1 ArgMax", "parameters 172", "12 of camvid12: Sky, Building", "GMAC"):
        assert part in said
    made = cards.load(str(files / "out.onnx"))
    assert made.card.classes.names == CAMVID_12.names and made.card.size == (41, 35)
    assert made.card.provenance["imported_from"]["caffemodel"] == "net.caffemodel"
    segmented = edge_segnet(
        "segment", "photo.png", "-m", "out.onnx", "-o", "l.png", "--visualize", "labels", folder=files
    )
    assert segmented.code == 0, segmented.err
    assert len(np.unique(read_labels(files / "l.png"))) > 1


def test_json_names_every_layer(files: Path) -> None:
    done = edge_segnet("import-caffe", *NET, "--classes", "camvid-12", "--json", "-", "--size", "64x48", folder=files)
    (document,) = done.documents
    assert document["network_size"] == [64, 48] and document["parameters"] == 172
    assert document["layers"] == {"Convolution": 2, "Pooling": 1, "Upsample": 1, "ArgMax": 1}
    assert document["ignored"][0].startswith("a (ArgMax)")
    assert [entry["name"] for entry in document["classes"]["classes"]] == list(CAMVID_12.names)


ELEVEN = ("--colours", "camvid11.png")


@pytest.mark.parametrize("classes", [("--classes", "camvid-11"), ELEVEN, ("--classes", "camvid-12", *ELEVEN)])
def test_eleven_classes_for_twelve_channels_is_an_error_and_no_colour(classes: tuple[str, ...], files: Path) -> None:
    before = left_in(files)
    done = edge_segnet("import-caffe", *NET, *classes, folder=files)
    assert done.code == 3
    assert "11 classes, but the network's classifier has 12 channels" in done.error and "camvid-12 has 12" in done.error
    assert left_in(files) == before


def test_without_a_class_map_classes_have_numbers_and_a_note_says_so(files: Path) -> None:
    done = edge_segnet("import-caffe", *NET, folder=files)
    assert done.code == 0
    assert "the 12 classes have numbers for names" in done.err and "camvid-12 has 12" in done.err
    made = cards.load(str(files / "out.onnx")).card.classes
    assert made.names[3] == "class_3" and len(set(made.colours)) == 12


def test_names_from_one_and_colours_from_the_other(files: Path) -> None:
    done = edge_segnet("import-caffe", *NET, "--classes", "camvid-12", "--colours", "camvid12.png", folder=files)
    assert done.code == 0
    assert cards.load(str(files / "out.onnx")).card.classes.name == "camvid-12"


def test_a_palette_that_is_not_256x1(files: Path) -> None:
    before = left_in(files)
    done = edge_segnet("import-caffe", *NET, "--colours", "photo.png", folder=files)
    assert done.code == 4 and "a palette of 80x60 pixels" in done.error
    assert left_in(files) == before


@pytest.mark.parametrize(
    ("file", "change", "code", "wanted"),
    [
        ("net.prototxt", lambda data: data.replace(b"ArgMax", b"Reorg"), 3, ["net.prototxt:6", "'a' (Reorg)"]),
        ("net.prototxt", lambda data: data.replace(b"num_output: 4", b"num_output: 5"), 3, ["blob 0", "[4, 3, 3, 3]"]),
        ("net.caffemodel", lambda data: data[:-9], 3, ["net.caffemodel", "missing"]),
        ("net.caffemodel", lambda _: b"\xff" * 4000, 3, ["net.caffemodel", "damaged"]),
    ],
)
def test_files_that_can_not_be_imported(
    file: str, change: Callable[[bytes], bytes], code: int, wanted: list[str], files: Path
) -> None:
    (files / file).write_bytes(change((files / file).read_bytes()))
    before = left_in(files)
    done = edge_segnet("import-caffe", *NET, "--classes", "camvid-12", folder=files)
    assert done.code == code
    assert [word for word in wanted if word not in done.error] == [], done.error
    assert left_in(files) == before


def test_missing_files(tmp_path: Path) -> None:
    done = edge_segnet("import-caffe", *NET, folder=tmp_path)
    assert done.code == 3 and "net.prototxt: no such file" in done.error


def test_enet_says_what_was_left_out(tmp_path: Path) -> None:
    model, weights = enet().write(tmp_path)
    done = edge_segnet(
        "import-caffe", "--model", model, "--weights", weights, "--classes", "cityscapes-19", "--size", "480x360",
        "-o", tmp_path / "enet.onnx", "--json", tmp_path / "r.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["gmac"] == pytest.approx(1.32, abs=0.01) and len(document["folded"]) == 85
    assert "and 24 more (Python): identity at test time" in " ".join(done.out.split())


def test_enet_at_a_size_that_its_two_ways_down_disagree_about(tmp_path: Path) -> None:
    model, weights = enet().write(tmp_path)
    done = edge_segnet(
        "import-caffe", "--model", model, "--weights", weights, "--size", "473x351", "-o", tmp_path / "e.onnx"
    )
    assert done.code == 3 and "(Eltwise)" in done.error and "multiple of 8" in done.error


def test_an_output_that_is_void_is_named(files: Path) -> None:
    done = edge_segnet("import-caffe", *NET, "--classes", "camvid-11", folder=files)
    assert done.code == 3 and "--void 11" in done.error
    done = edge_segnet("import-caffe", *NET, "--classes", "camvid-11", "--void", "3", folder=files)
    assert done.code == 0, done.err
    made = cards.load(str(files / "out.onnx"))
    assert made.card.void_output and made.card.outputs == 12 and made.card.classes.names == CAMVID_11.names
    frame = picture(41, 35)[None]
    twelve = edge_segnet("import-caffe", *NET[:-1], "twelve.onnx", "--classes", "camvid-12", folder=files)
    assert twelve.code == 0
    models = [lower(cards.load(str(files / name)).proto, "onnxruntime").model for name in ("twelve.onnx", "out.onnx")]
    first, second = (run_onnxruntime(each, frame) for each in models)
    order = [0, 1, 2, *range(4, 12), 3]
    assert np.array_equal(second, first[:, order])


def test_a_networks_38_outputs_are_suns_37_classes_and_void(tmp_path: Path) -> None:
    text = HEAD + CONV + say("k", "Convolution", "c", "k", "convolution_param { num_output: 38 kernel_size: 1 }")
    rng = np.random.default_rng(0)
    shapes = {"c": [(4, 3, 3, 3), (4,)], "k": [(38, 4, 1, 1), (38,)]}
    weights = {name: [rng.normal(0, 0.1, shape) for shape in both] for name, both in shapes.items()}
    (tmp_path / "net.prototxt").write_text(text)
    (tmp_path / "net.caffemodel").write_bytes(caffemodel(weights, dict.fromkeys(weights, "")))
    done = edge_segnet("import-caffe", *NET, "--classes", "sun-37", folder=tmp_path)
    assert done.code == 0, done.err
    card = cards.load(str(tmp_path / "out.onnx")).card
    assert card.void_output and card.classes.names[:2] == ("wall", "floor") and len(card.classes) == 37
