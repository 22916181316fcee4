"""``edge-segnet convert`` as a command; that the graphs are right is proven in ``tests/graph``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_segnet.core.classes import CAMVID_11, ClassMap
from edge_segnet.data.dataset import classes_yaml
from edge_segnet.graph import card as cards
from tests.conftest import picture
from tests.support.command import edge_segnet
from tests.support.nets import Sketch, tensor
from tests.support.pictures import read_labels


def run(path: Path, output: str, frame: NDArray[np.uint8]) -> NDArray[Any]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([output], {"frame": frame[np.newaxis]})[0])


@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt", "openvino", "opencv"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_every_target(model: Path, tmp_path: Path, target: str, precision: str) -> None:
    out = tmp_path / "out.onnx"
    done = edge_segnet("convert", model, "-o", out, "--for", target, "--precision", precision, "--json", "-")
    assert done.code == 0, done.err
    (document,) = done.documents
    assert (document["output"], document["target"], document["precision"]) == (str(out), target, precision)
    assert any("index pooling" in line for line in document["report"])
    assert all(f"edge-segnet: {line}" in done.err for line in document["report"])
    assert f"{model} -> {out}" in done.err
    kinds = {node.op_type for node in onnx.load(str(out)).graph.node}
    assert ("MaxUnpool" in kinds) == (target == "onnxruntime")


def test_labels_and_size(model: Path, tmp_path: Path) -> None:
    flags = ("--for", "openvino", "--head", "labels", "--size", "80x64")
    assert edge_segnet("convert", model, "-o", tmp_path / "l.onnx", *flags).code == 0
    assert edge_segnet("convert", model, "-o", tmp_path / "c.onnx", "--size", "80x64").code == 0
    assert cards.load(str(tmp_path / "c.onnx")).card.size == (80, 64)
    frame = picture(80, 64)
    labels, logits = run(tmp_path / "l.onnx", "labels", frame), run(tmp_path / "c.onnx", "logits", frame)
    assert np.array_equal(labels, logits.argmax(1))


@pytest.mark.parametrize(("target", "first"), [("onnxruntime", 3), ("tensorrt", "batch")])
def test_several_frames_at_once(model: Path, tmp_path: Path, target: str, first: int | str) -> None:
    out = tmp_path / "three.onnx"
    done = edge_segnet("convert", model, "-o", out, "--for", target, "--head", "labels", "--batch", "3")
    assert done.code == 0 and "frames at once" in done.err
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [first, 48, 64, 3]
    frames = np.stack([picture(64, 48, seed) for seed in range(3)])
    (labels,) = session.run(["labels"], {"frame": frames})
    assert edge_segnet("convert", model, "-o", tmp_path / "one.onnx", "--for", target, "--head", "labels").code == 0
    for frame, found in zip(frames, np.asarray(labels), strict=True):
        assert np.array_equal(run(tmp_path / "one.onnx", "labels", frame)[0], found)


def foreign(path: Path, kind: str) -> Path:
    """A float NCHW model whose scores are its input's three channels."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 48, 64])
    nodes = [helper.make_node("Mul", ["x", "two"], ["scores"])]
    out = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3, 48, 64])
    if kind == "labels":
        nodes.append(helper.make_node("ArgMax", ["scores"], ["ids"], axis=1, keepdims=0))
        out = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, 48, 64])
    two = numpy_helper.from_array(np.array(2, np.float32), "two")
    graph = helper.make_graph(nodes, "foreign", [value], [out], [two])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    path.write_bytes(made.SerializeToString())
    return path


@pytest.mark.parametrize("kind", ["logits", "labels"])
def test_a_foreign_model_becomes_ours(tmp_path: Path, photo: Path, kind: str) -> None:
    source = foreign(tmp_path / "foreign.onnx", kind)
    folder = tmp_path / "specs"
    folder.mkdir()
    colours = {"red": [255, 0, 0], "green": [0, 255, 0], "blue": [0, 0, 255]}
    classes = [{"name": name, "colour": colour} for name, colour in colours.items()]
    (folder / "classes.yaml").write_text(json.dumps({"name": "rgb", "classes": classes}))
    (folder / "spec.yaml").write_text(
        f"input: {{channels: rgb, range: 1}}\noutput: {{kind: {kind}}}\nclasses: classes.yaml\n"
    )
    out = tmp_path / "ours.onnx"
    done = edge_segnet("convert", source, "--spec", folder / "spec.yaml", "-o", out)
    assert done.code == 0, done.err
    assert "3 classes of rgb" in done.err
    frame = picture(64, 48)
    assert np.array_equal(run(out, "logits", frame)[0].argmax(0), frame[:, :, ::-1].argmax(2))
    done = edge_segnet("segment", photo, "-m", out, "--json", "-")
    assert list(done.documents[0]["classes"]) == ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "nothing to do: give --for TARGET, --spec FILE.yaml or --size WxH"),
        (("--for", "tflite"), 2, "--for tflite: unknown: one of: onnxruntime, tensorrt, openvino, opencv"),
        (("--for", "opencv", "--precision", "bf16"), 2, "--precision bf16: unknown: one of: fp32, fp16, int8"),
        (("--for", "opencv", "--head", "boxes"), 2, "--head boxes: unknown: one of: logits, labels"),
        (("--size", "64x48", "--precision", "fp16"), 2, "--precision and --head need --for TARGET"),
        (("--size", "64x48", "--batch", "2"), 2, "--batch needs --for TARGET"),
        (("--for", "opencv", "--batch", "17"), 2, "--batch"),
        (("--size", "big"), 2, "--size big: not a size"),
        (("--size", "8x8"), 3, "32x32"),
        (("--spec", "missing.yaml"), 2, "missing.yaml: No such file"),
        (("--spec", "bad.yaml"), 2, "bad.yaml:1: input: "),
        (("--spec", "unknown.yaml"), 2, "unknown.yaml: classes: camvid-99: no such class map"),
    ],
)
def test_what_is_refused(model: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    (tmp_path / "bad.yaml").write_text("input: 3\n")
    text = "input: {channels: rgb, range: 1}\noutput: {kind: logits}\nclasses: camvid-99\n"
    (tmp_path / "unknown.yaml").write_text(text)
    done = edge_segnet("convert", model, "-o", "out.onnx", *arguments, folder=tmp_path)
    assert done.code == code, done.err
    assert says in done.error
    assert not (tmp_path / "out.onnx").exists()


def test_models_that_cannot_be_converted(tmp_path: Path, model: Path) -> None:
    out = tmp_path / "out.onnx"
    done = edge_segnet("convert", tmp_path / "missing.onnx", "-o", out, "--for", "opencv")
    assert done.code == 3 and "missing.onnx: no such model" in done.error
    (tmp_path / "bad.onnx").write_bytes(model.read_bytes()[:500])
    done = edge_segnet("convert", tmp_path / "bad.onnx", "-o", out, "--for", "opencv")
    assert done.code == 3 and "bad.onnx" in done.error
    done = edge_segnet("convert", model, "-o", tmp_path, "--for", "opencv")
    assert done.code == 4 and "name a file, not a folder" in done.error
    done = edge_segnet("convert", model, "-o", "/dev/full", "--for", "opencv")
    assert done.code == 4 and "No space left on device" in done.error
    assert not out.exists()


# What strangers bring -------------------------------------------------------------------------------------------


def described(path: Path, classes: str, **output: object) -> Path:
    rest = {"void": output.pop("void")} if "void" in output else {}
    spec = {"input": {"channels": "bgr", "range": 1}, "output": {"kind": "logits"} | output, "classes": classes} | rest
    path.write_text(json.dumps(spec))
    return path


def scores(path: Path, channels: int, last: str = "") -> Path:
    """A convolution of the picture with random weights, and what makes probabilities of it."""
    sketch = Sketch(5)
    value = sketch.conv("x", "c", (3, channels))
    value = sketch.node(last, [value], "made") if last else value
    model = sketch.model(tensor("x", [1, 3, 48, 64]), tensor(value, [1, channels, 48, 64]))
    path.write_bytes(model.SerializeToString())
    return path


def test_a_sigmoid_of_one_channel_becomes_two_classes(tmp_path: Path, photo: Path) -> None:
    source, ours = scores(tmp_path / "in.onnx", 1, "Sigmoid"), tmp_path / "ours.onnx"
    two = ClassMap("two", ("Other", "Road"), ((0, 0, 0), (128, 64, 128)), (9, 9, 9))
    (tmp_path / "two.yaml").write_text(classes_yaml(two))
    spec = described(tmp_path / "spec.yaml", "two.yaml", kind="probability", threshold=0.5)
    done = edge_segnet("convert", source, "--spec", spec, "-o", ours)
    assert done.code == 0, done.err
    counted = edge_segnet("segment", photo, "-m", ours, "--json", "-").documents[0]["classes"]
    assert 0 < counted["Road"]["share"] < 1
    strict = described(tmp_path / "spec.yaml", "two.yaml", kind="probability", threshold=0.999)
    assert edge_segnet("convert", source, "--spec", strict, "-o", ours).code == 0
    fewer = edge_segnet("segment", photo, "-m", ours, "--json", "-").documents[0]["classes"]
    assert fewer["Road"]["pixels"] < counted["Road"]["pixels"]


def test_an_output_that_is_void_is_neither_drawn_counted_nor_scored(tmp_path: Path, photo: Path) -> None:
    source, ours = scores(tmp_path / "in.onnx", 12), tmp_path / "ours.onnx"
    plain = described(tmp_path / "plain.yaml", "camvid-12")
    assert edge_segnet("convert", source, "--spec", plain, "-o", tmp_path / "plain.onnx").code == 0
    before = edge_segnet("segment", photo, "-m", tmp_path / "plain.onnx", "--json", "-").documents[0]
    counts = [row["pixels"] for row in before["classes"].values()]
    void = int(np.argmax(counts))
    done = edge_segnet("convert", source, "--spec", described(tmp_path / "s.yaml", "camvid-11"), "-o", ours)
    assert done.code == 3 and "void: K" in done.error
    spec = described(tmp_path / "spec.yaml", "camvid-11", void=void)
    done = edge_segnet("convert", source, "--spec", spec, "-o", ours)
    assert done.code == 0 and "11 classes of camvid-11 and void" in done.err
    assert cards.load(str(ours)).card.void_output
    found = edge_segnet("segment", photo, "-m", ours, "--json", "-", "-o", tmp_path / "l.png", "--visualize", "labels")
    assert found.code == 0, found.err
    document = found.documents[0]
    assert list(document["classes"]) == list(CAMVID_11.names)
    assert [row["pixels"] for row in document["classes"].values()] == counts[:void] + counts[void + 1 :]
    assert document["void_pixels"] == counts[void] > 0
    labels = read_labels(tmp_path / "l.png")
    assert set(np.unique(labels)) <= set(range(12)) and (labels == 11).any()
    resized = edge_segnet("convert", ours, "-o", tmp_path / "big.onnx", "--size", "80x64")
    assert resized.code == 0 and cards.load(str(tmp_path / "big.onnx")).card.outputs == 12


def test_convert_says_which_targets_will_refuse(tmp_path: Path) -> None:
    sketch = Sketch()
    sketch.pool("x", "p", kernel_shape=[2, 2], strides=[1, 1], dilations=[2, 2])
    shape = sketch.const("shape", np.array([1, 3, 48, 64], np.int64))
    sketch.node("MaxUnpool", ["p", "p.indices", shape], "y", kernel_shape=[2, 2], strides=[1, 1])
    model = sketch.model(tensor("x", [1, 3, 48, 64]), tensor("y", [1, 3, 48, 64]))
    (tmp_path / "in.onnx").write_bytes(model.SerializeToString())
    classes = ClassMap("three", ("a", "b", "c"), ((1, 1, 1), (2, 2, 2), (3, 3, 3)))
    (tmp_path / "three.yaml").write_text(classes_yaml(classes))
    spec = described(tmp_path / "spec.yaml", "three.yaml")
    done = edge_segnet("convert", tmp_path / "in.onnx", "--spec", spec, "-o", tmp_path / "out.onnx", "--json", "-")
    assert done.code == 0, done.err
    assert set(done.documents[0]["refused"]) == {"tensorrt", "openvino", "opencv"}
    said = done.err.splitlines()
    refusal = next(place for place, line in enumerate(said) if "tensorrt will refuse this model: MaxPool 'p'" in line)
    assert refusal < next(place for place, line in enumerate(said) if "in.onnx -> " in line)
    assert "tried: can be written for onnxruntime; read here by onnxruntime" in done.err
    frame = picture(64, 48)
    assert run(tmp_path / "out.onnx", "logits", frame).shape == (1, 3, 48, 64)


def test_a_model_that_nobody_takes_is_not_written(tmp_path: Path) -> None:
    sketch = Sketch()
    sketch.pool("x", "p")
    wrong = sketch.const("shape", np.array([1, 3, 50, 70], np.int64))
    sketch.node("MaxUnpool", ["p", "p.indices", wrong], "big", kernel_shape=[2, 2], strides=[2, 2])
    cut = [sketch.const(f"cut{i}", np.array(value, np.int64)) for i, value in enumerate(([0, 0], [48, 64], [2, 3]))]
    sketch.node("Slice", ["big", *cut], "y")
    model = sketch.model(tensor("x", [1, 3, 48, 64]), tensor("y", [1, 3, 48, 64]))
    (tmp_path / "in.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "c.yaml").write_text(classes_yaml(ClassMap("c", ("a", "b", "c"), ((1, 1, 1), (2, 2, 2), (3, 3, 3)))))
    spec = described(tmp_path / "spec.yaml", "c.yaml")
    done = edge_segnet("convert", tmp_path / "in.onnx", "--spec", spec, "-o", tmp_path / "out.onnx")
    assert done.code == 3 and "no runtime takes this model: MaxUnpool 'big' restores" in done.error
    assert not (tmp_path / "out.onnx").exists()
