"""Models, palettes, flags and outputs that are refused: one line, the documented exit code, nothing written."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_segnet.core.classes import CAMVID_11, CAMVID_12
from edge_segnet.graph import card as cards
from tests.conftest import left_in, picture, write_video
from tests.support.command import edge_segnet
from tests.support.models import save_tiny, tiny_model
from tests.support.pictures import write_lut


def custom_operator(model: onnx.ModelProto) -> None:
    model.graph.node[-1].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))


def wrong_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def other_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "images"
    model.graph.node[0].input[0] = "images"


def external_data(model: onnx.ModelProto) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "conv1.weight")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../../etc/passwd"


def other_classes(model: onnx.ModelProto) -> None:
    other = cards.attach(tiny_model(CAMVID_12).proto, name="x", classes=CAMVID_12)
    text = next(entry.value for entry in other.proto.metadata_props if entry.key.endswith("classes"))
    next(entry for entry in model.metadata_props if entry.key.endswith("classes")).value = text


def no_metadata(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (custom_operator, "custom operator of domain 'com.example'"),
        (wrong_input, ": "),
        (other_input, "inputs and outputs are ['images'] -> ['logits']"),
        (external_data, "lies in '../../../../etc/passwd', which is not a file in the model's own folder"),
        (other_classes, "11 output channels, but its class map camvid-12 has 12 classes"),
        (no_metadata, "edge-segnet convert --spec FILE.yaml"),
    ],
)
def test_models_that_are_refused(tmp_path: Path, photo: Path, harm: object, says: str) -> None:
    made = tiny_model().proto
    assert callable(harm)
    harm(made)
    path = tmp_path / "bad.onnx"
    path.write_bytes(made.SerializeToString())
    done = edge_segnet("segment", photo, "-m", path, "-o", tmp_path / "out.png")
    assert done.code == 3, done.err
    assert f"{path}: " in done.error and says in done.error
    assert left_in(tmp_path) == ["bad.onnx", "photo.png"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such model"),
        (b"", "0 bytes"),
        (b"not a model at all", "not an ONNX model"),
        (b"\x08\x07", "not an ONNX"),
    ],
)
def test_files_that_are_no_models(tmp_path: Path, photo: Path, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / "m.onnx").write_bytes(content)
    done = edge_segnet("segment", photo, "-m", tmp_path / "m.onnx", "-o", tmp_path / "out.png")
    assert done.code == 3
    assert says in done.error


def test_a_truncated_model(tmp_path: Path, photo: Path, model: Path) -> None:
    for share in (0.1, 0.5, 0.99):
        data = model.read_bytes()
        (tmp_path / "cut.onnx").write_bytes(data[: int(share * len(data))])
        done = edge_segnet("segment", photo, "-m", tmp_path / "cut.onnx", "--counts")
        assert done.code == 3
        assert "cut.onnx" in done.error


@pytest.mark.parametrize(("shape", "says"), [((16, 16), "16x16"), ((1, 255), "255x1"), ((256, 2), "2x256")])
def test_palettes_of_a_wrong_shape(model: Path, photo: Path, tmp_path: Path, shape: tuple[int, int], says: str) -> None:
    cv2.imwrite(str(tmp_path / "lut.png"), np.zeros((*shape, 3), np.uint8))
    done = edge_segnet("segment", photo, "-m", model, "-o", tmp_path / "out.png", "--colours", tmp_path / "lut.png")
    assert done.code == 4
    assert f"a palette of {says} pixels: a palette has 256x1" in done.error
    write_lut(tmp_path / "good.png", CAMVID_11.lut_rgb)
    assert edge_segnet("segment", photo, "-m", model, "--counts", "--colours", tmp_path / "good.png").code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Missing argument 'INPUT'"),
        (("a.png", "--nonsense"), "No such option"),
        (("a.png", "-o"), "requires an argument"),
        (("a.png", "-o", "b.png", "--frames", "0"), "--frames"),
        (("a.png", "-o", "b.png", "--frames", "many"), "--frames"),
        (("a.png", "-o", "b.png", "--alpha", "1.5"), "--alpha 1.5: not a share: give 0 to 1"),
        (("a.png", "-o", "b.png", "--alpha", "nan"), "--alpha nan"),
        (("a.png", "-o", "b.png", "--visualize", "art"), "--visualize art: unknown: one of: overlay, mask, labels"),
        (
            ("a.png", "-o", "b.png", "--backend", "abacus"),
            "--backend abacus: unknown: one of: auto, onnx, openvino, tensorrt",
        ),
        (("a.png", "-o", "b.png", "--size", "480"), "--size 480: not a size: give WIDTHxHEIGHT"),
        (("a.png", "-o", "b.png", "--size", "0x99"), "--size 0x99: not a size"),
        (("a.png", "-o", "b.png", "--size", "16x16"), "--size 16x16 is too small: use at least 32x32"),
        (("a.png", "-o", "b.png", "--size", "99999x64"), "too large"),
        (("", "-o", "b.png"), "the source is empty"),
        (("a.png", "a.png", "-o", "b.png"), "several pictures need a folder: use -o b"),
        ((".", "-o", "b.mp4"), "a folder of pictures becomes a folder: use -o b"),
        (("rtsp://me:secret@cam/1", "-o", "b.mp4"), "rtsp://: unknown scheme"),
        (("synthetic://drive?speed=3", "-o", "b.mp4"), "unknown parameter 'speed': known: fps, seed"),
        (("synthetic://moon", "-o", "b.mp4"), "unknown synthetic scene 'moon'"),
        (("synthetic://drive?fps=x", "-o", "b.mp4"), "fps 'x' is not a number from 0.1 to 1000"),
        (("synthetic://[", "-o", "b.mp4"), "not a URI"),
    ],
)
def test_wrong_usage(model: Path, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture())
    flags = ("-m", model) if arguments else ()
    done = edge_segnet("segment", *flags, *arguments, folder=tmp_path)
    assert done.code == 2, done.err
    assert says in done.error
    assert "secret" not in done.err
    assert left_in(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("source", "out", "says"),
    [
        ("a.png", "x.xyz", "x.xyz: not a picture's suffix"),
        ("a.png", "x.mp4", "x.mp4: not a picture's suffix"),
        ("v.mp4", "x.png", "x.png: unknown video format"),
        ("a.png", "a.png/below/x.png", "a.png/below/x.png: can't be written"),
        ("a.png", "n" * 300 + ".png", "can't be written (File name too long): choose a shorter name"),
    ],
)
def test_outputs_that_cannot_be(model: Path, tmp_path: Path, source: str, out: str, says: str) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture())
    write_video(tmp_path / "v.mp4", 2)
    done = edge_segnet("segment", source, "-o", out, "-m", model, folder=tmp_path)
    assert done.code == 4, done.err
    assert says in done.error
    assert left_in(tmp_path) == ["a.png", "v.mp4"]


def test_masks_are_never_jpegs(model: Path, photo: Path, tmp_path: Path) -> None:
    done = edge_segnet("segment", photo, "-o", tmp_path / "x.jpg", "-m", model, "--visualize", "labels")
    assert done.code == 4
    assert "labels pictures are loss-free: use a name that ends in .png" in done.error


def test_names_as_long_as_the_disk_allows(model: Path, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / ("n" * 251 + ".png")
    assert edge_segnet("segment", photo, "-o", out, "-m", model).code == 0
    assert out.is_file()


def test_the_tensorrt_backend_says_what_it_misses(model: Path, photo: Path) -> None:
    done = edge_segnet("segment", photo, "-m", model, "--counts", "--backend", "tensorrt")
    assert done.code == 3
    assert "no engine" in done.error or "--backend onnx" in done.error


def test_a_symbolic_link_stays_one(model: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to("real.png")
    assert edge_segnet("segment", photo, "-o", tmp_path / "link.png", "-m", model).code == 0
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "real.png").read_bytes().startswith(b"\x89PNG")


def test_an_odd_class_map_warns_in_one_line(photo: Path, tmp_path: Path) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twins = type(CAMVID_11)("twins", CAMVID_11.names, ((1, 2, 3),) * 11)
        path = save_tiny(tmp_path / "twins.onnx", twins)
    done = edge_segnet("segment", photo, "-m", path, "--json", "-", "--backend", "onnx")
    assert done.code == 0
    warned = [line for line in done.err.splitlines() if line.startswith("edge-segnet: warning: ")]
    assert len(warned) == 1 and "Sky, Building" in warned[0] and "share the colour [1, 2, 3]" in warned[0]
