"""Files from anywhere: one line for every fault, and no byte read outside the model's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.load import read_file
from edge_segnet.graph.lower import lower
from tests.support.models import tiny_model
from tests.support.nets import Sketch, hourglass, tensor


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_file(path)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path))
    return message


def write_external(path: Path, location: str, **facts: str) -> None:
    """A model whose only weight, float32 [4], lies outside."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **facts}.items():
        weight.external_data.add(key=key, value=value)
    node = helper.make_node("Add", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", [tensor("x", [4])], [tensor("y", [4])], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def test_a_good_file_comes_back(tmp_path: Path) -> None:
    model = hourglass((32, 32), ceil=True)
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    assert read_file(path).proto == model


def test_external_data_beside_the_model_is_read(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w.bin").write_bytes(b"\0" * 8 + np.arange(4, dtype=np.float32).tobytes())
    write_external(tmp_path / "net.onnx", "weights/w.bin", offset="8", length="16")
    weight = read_file(tmp_path / "net.onnx").proto.graph.initializer[0]
    assert onnx.numpy_helper.to_array(weight).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "location",
    [
        "../w.bin",
        "a/../../w.bin",
        "{outside}",
        "link.bin",
        "folder/w.bin",
        "C:\\w.bin",
        "..\\w.bin",
        "",
        "missing.bin",
        ".",
    ],
)
def test_external_data_elsewhere_is_refused_before_it_is_read(tmp_path: Path, location: str) -> None:
    outside = tmp_path / "w.bin"
    outside.write_bytes(bytes(16))
    home = tmp_path / "home"
    (home / "a").mkdir(parents=True)
    (home / "link.bin").symlink_to(outside)
    (home / "folder").symlink_to(tmp_path)
    write_external(home / "net.onnx", location.format(outside=outside))
    assert "not a file in the model's own folder" in refused(home / "net.onnx")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"offset": "8", "length": "16"}, "wants bytes 8 to 24 of 'w.bin' (16 bytes)"),
        ({"offset": "-1"}, "wants bytes -1"),
        ({"length": "many"}, "damaged external data entry"),
        ({"length": "8"}, ""),
    ],
)
def test_external_data_that_does_not_fit_is_refused(tmp_path: Path, facts: dict[str, str], words: str) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    write_external(tmp_path / "net.onnx", "w.bin", **facts)
    assert words in refused(tmp_path / "net.onnx")


def test_external_data_of_an_attribute_is_checked_as_well(tmp_path: Path) -> None:
    value = TensorProto(name="v", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    value.external_data.add(key="location", value="/etc/hostname")
    graph = helper.make_graph([helper.make_node("Constant", [], ["y"], value=value)], "g", [], [tensor("y", [4])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    assert "'/etc/hostname'" in refused(tmp_path / "net.onnx")


def test_missing_folder_empty_and_foreign_files_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "no.onnx")
    assert "not a file" in refused(tmp_path)
    for name, content in {
        "empty": b"",
        "text": b"hello",
        "image": b"\xff\xd8\xff\xe0" * 99,
        "zeros": bytes(99),
    }.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_a_model_error_or_a_model_that_can_be_used(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(hourglass((32, 32), ceil=True, depth=1).SerializeToString())
    content = content[: data.draw(st.integers(0, len(content)), label="length")]
    for _ in range(data.draw(st.integers(0, 3), label="flips")):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(content)
    try:
        lower(read_file(path).proto, "tensorrt", precision="fp16")
    except ModelError as error:
        assert "\n" not in str(error)


def test_custom_and_unknown_operators_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    model = hourglass((32, 32), ceil=True)
    model.graph.node[1].domain = "com.example"
    path.write_bytes(model.SerializeToString())
    assert "Relu 'stem.relu' is a custom operator of domain 'com.example'" in refused(path)
    model.graph.node[1].domain, model.graph.node[1].op_type = "", "Upsimple"
    path.write_bytes(model.SerializeToString())
    assert "not valid ONNX" in refused(path) and "Upsimple" in refused(path)


def test_a_model_that_uses_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    net = Sketch()
    net.node("Relu", ["x"], "y")
    model = net.model(tensor("x", [4]), tensor("y", [4]))
    model.graph.node[0].input[0] = "nowhere"
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    assert "nowhere" in refused(tmp_path / "net.onnx")


@pytest.mark.parametrize("kind", ["ConstantOfShape", "Expand", "Tile", "Range"])
def test_a_few_bytes_that_ask_for_gigabytes_are_refused(tmp_path: Path, kind: str) -> None:
    model = tiny_model().proto
    numbers = {"bomb.a": 0, "bomb.b": 10**9, "bomb.c": 1}
    for name, number in numbers.items():
        model.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [], [number]))
    model.graph.initializer.append(helper.make_tensor("bomb.shape", TensorProto.INT64, [1], [10**9]))
    model.graph.initializer.append(helper.make_tensor("bomb.one", TensorProto.FLOAT, [1], [1.0]))
    inputs = {"ConstantOfShape": ["bomb.shape"], "Range": list(numbers)}.get(kind, ["bomb.one", "bomb.shape"])
    model.graph.node.insert(0, helper.make_node(kind, inputs, ["bomb"], name="b"))
    path = tmp_path / "bomb.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=rf"{kind} 'b' computes a constant of more than 4194304 values"):
        read_file(path)


def test_a_model_that_may_never_end_is_refused(tmp_path: Path) -> None:
    model = tiny_model().proto
    model.graph.node.insert(0, helper.make_node("Loop", ["a", "b"], ["c"], name="forever"))
    path = tmp_path / "loop.onnx"
    path.write_bytes(model.SerializeToString())
    assert "Loop 'forever' runs as often as it likes" in refused(path)
