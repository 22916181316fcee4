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

from edge_segnet.graph import card as cards
from tests.conftest import picture
from tests.support.command import edge_segnet


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
        (("--for", "opencv", "--precision", "int8"), 2, "--precision int8: unknown: one of: fp32, fp16"),
        (("--for", "opencv", "--head", "boxes"), 2, "--head boxes: unknown: one of: logits, labels"),
        (("--size", "64x48", "--precision", "fp16"), 2, "--precision and --head need --for TARGET"),
        (("--size", "big"), 2, "--size big: not a size"),
        (("--size", "8x8"), 3, "32x32"),
        (("--spec", "missing.yaml"), 2, "missing.yaml: can't be read"),
        (("--spec", "bad.yaml"), 2, "bad.yaml: "),
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
