"""Models from elsewhere: canonical after a spec, with the results that their own preprocessing would give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from edge_segnet.core.errors import ModelError, SettingsError
from edge_segnet.graph.foreign import ForeignSpec, canonicalise, load_spec
from edge_segnet.graph.lower import Target, lower
from tests.graph.runtimes import RUNNERS, Array, run_onnxruntime
from tests.support.nets import Sketch, hourglass, random_frame, tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE = (67, 45)
FRAME = random_frame(SIZE)


def spec(
    *, layout: str = "nchw", channels: str = "rgb", kind: str = "logits", out_layout: str = "nchw", **more: Any
) -> ForeignSpec:
    """A spec with ImageNet's normalisation; ``more`` goes to the top level, or to input as ``input_...``."""
    given: dict[str, Any] = {"layout": layout, "channels": channels, "range": 1, "mean": MEAN, "std": STD}
    output: dict[str, Any] = {"kind": kind, "layout": out_layout}
    for key in [key for key in more if key.startswith(("input_", "output_"))]:
        side, name = key.split("_", 1)
        (given if side == "input" else output)[name] = more.pop(key)
    return ForeignSpec.model_validate({"input": given, "output": output, "classes": "camvid-12", **more})


def preprocessed(layout: str, channels: str) -> Array:
    """What the owner of a model would feed it with."""
    picture = FRAME[..., ::-1] if channels == "rgb" else FRAME
    value = (picture.astype(np.float32) / 255 - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.ascontiguousarray(value.transpose(0, 3, 1, 2) if layout == "nchw" else value)


def net(layout: str, kind: str, out_layout: str, shape: list[Any] | None = None) -> onnx.ModelProto:
    """Three convolutions around an index pooling, with any layout on either side."""
    width, height = SIZE
    sketch = Sketch(3)
    value = "picture"
    if layout == "nhwc":
        value = sketch.node("Transpose", [value], "in.planes", perm=[0, 3, 1, 2])
    value = sketch.pool(sketch.node("Relu", [sketch.conv(value, "c1", (3, 6))], "r1"), "p", ceil_mode=1)
    value = sketch.unpool(sketch.conv(value, "c2", (6, 6)), "p", "u", [1, 6, height, width])
    value = sketch.conv(value, "c3", (6, 5))
    found: list[Any] = [1, 5, height, width]
    if kind == "labels":
        value = sketch.node("ArgMax", [value], "ids", axis=1, keepdims=int(out_layout != "none"))
        found = [1, 1, height, width] if out_layout != "none" else [1, height, width]
    if out_layout == "nhwc":
        value = sketch.node("Transpose", [value], "out.last", perm=[0, 2, 3, 1])
        found = [found[0], *found[2:], found[1]]
    given = shape or ([1, 3, height, width] if layout == "nchw" else [1, height, width, 3])
    elem_type = TensorProto.INT64 if kind == "labels" else TensorProto.FLOAT
    return sketch.model(tensor("picture", given), tensor(value, found, elem_type))


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("out_layout", ["nchw", "nhwc"])
def test_logits_are_those_of_the_model_itself(layout: str, channels: str, out_layout: str) -> None:
    model = net(layout, "logits", out_layout)
    own = run_onnxruntime(lower(model, "tensorrt").model, preprocessed(layout, channels))
    own = own.transpose(0, 3, 1, 2) if out_layout == "nhwc" else own
    canonical = canonicalise(model, spec(layout=layout, channels=channels, out_layout=out_layout), class_count=5)
    result = run_onnxruntime(lower(canonical, "tensorrt").model, FRAME)
    np.testing.assert_allclose(result, own, rtol=0, atol=1e-5)


@pytest.mark.parametrize("out_layout", ["none", "nchw", "nhwc"])
@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt", "openvino", "opencv"])
def test_labels_become_logits_whose_argmax_gives_them_back(out_layout: str, target: Target) -> None:
    model = net("nchw", "labels", out_layout)
    own = run_onnxruntime(lower(model, "tensorrt").model, preprocessed("nchw", "rgb")).reshape(1, *SIZE[::-1])
    layout = "nchw" if out_layout == "none" else out_layout
    canonical = canonicalise(model, spec(kind="labels", out_layout=layout), class_count=7)
    runner = RUNNERS.get(target, run_onnxruntime)
    logits = runner(lower(canonical, target).model, FRAME)
    assert logits.shape == (1, 7, *SIZE[::-1]) and logits.dtype == np.float32
    np.testing.assert_array_equal(logits.argmax(1), own)
    np.testing.assert_array_equal(runner(lower(canonical, target, head="labels").model, FRAME), own)


@pytest.mark.parametrize("target", ["openvino", "opencv"])
def test_inserted_preprocessing_runs_everywhere(target: Target) -> None:
    canonical = canonicalise(net("nchw", "logits", "nchw"), spec())
    expected = run_onnxruntime(lower(canonical, "onnxruntime").model, FRAME)
    result = RUNNERS[target](lower(canonical, target).model, FRAME)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4)


def test_the_canonical_interface_is_exact() -> None:
    canonical = canonicalise(net("nchw", "logits", "nchw"), spec())
    assert list(canonical.graph.input) == [tensor("frame", [1, 45, 67, 3], TensorProto.UINT8)]
    assert list(canonical.graph.output) == [tensor("logits", [1, 5, 45, 67])]


def test_dynamic_batch_and_size_are_fixed_by_the_spec() -> None:
    model = net("nchw", "logits", "nchw", ["N", 3, "H", "W"])
    with pytest.raises(ModelError, match="dynamic size: add to the spec"):
        canonicalise(model, spec())
    fixed = canonicalise(model, spec(size="67x45"))
    expected = canonicalise(net("nchw", "logits", "nchw"), spec())
    first, second = (run_onnxruntime(lower(each, "onnxruntime").model, FRAME) for each in (fixed, expected))
    np.testing.assert_array_equal(first, second)


def test_output_shapes_that_follow_a_dynamic_size_become_constants() -> None:
    sketch = Sketch()
    value = "x"
    for stage in range(2):
        pooled = sketch.pool(value, f"p{stage}")
        shape = sketch.node("Shape", [value], f"s{stage}")
        inputs = [pooled, f"{pooled}.indices", shape]
        unpooled = sketch.node("MaxUnpool", inputs, f"u{stage}", kernel_shape=[2, 2], strides=[2, 2])
        value = sketch.conv(unpooled, f"c{stage}", (3, 3))
    model = sketch.model(tensor("x", ["N", 3, "H", "W"]), tensor(value, ["N", 3, "H", "W"]))
    canonical = canonicalise(model, spec(size="67x45"))
    weights = {weight.name for weight in canonical.graph.initializer}
    assert all(node.input[2] in weights for node in canonical.graph.node if node.op_type == "MaxUnpool")
    native = run_onnxruntime(canonical, FRAME)
    np.testing.assert_array_equal(run_onnxruntime(lower(canonical, "opencv").model, FRAME), native)


def test_smaller_logits_are_enlarged_as_torch_does() -> None:
    sketch = Sketch()
    halves = {"kernel_shape": [2, 2], "strides": [2, 2]}
    sketch.node("AveragePool", [sketch.conv("x", "c", (3, 2), 1)], "y", **halves)
    model = sketch.model(tensor("x", [1, 3, 32, 64]), tensor("y", [1, 2, 16, 32]))
    frame = random_frame((64, 32))
    canonical = canonicalise(model, spec())
    small = run_onnxruntime(model, ((frame[..., ::-1] / 255 - MEAN) / STD).astype(np.float32).transpose(0, 3, 1, 2))
    # Half-pixel bilinear, factor 2: a quarter of the neighbour, edges repeated.
    padded = np.pad(small, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    rows = np.empty((1, 2, 32, 34), np.float32)
    rows[:, :, 0::2] = 0.25 * padded[:, :, :-2] + 0.75 * padded[:, :, 1:-1]
    rows[:, :, 1::2] = 0.75 * padded[:, :, 1:-1] + 0.25 * padded[:, :, 2:]
    expected = np.empty((1, 2, 32, 64), np.float32)
    expected[..., 0::2] = 0.25 * rows[..., :-2] + 0.75 * rows[..., 1:-1]
    expected[..., 1::2] = 0.75 * rows[..., 1:-1] + 0.25 * rows[..., 2:]
    np.testing.assert_allclose(run_onnxruntime(canonical, frame), expected, atol=1e-5)


def test_raw_bgr_models_get_no_needless_nodes() -> None:
    plain = spec(channels="bgr", input_range=255, input_mean=(0, 0, 0), input_std=(1, 1, 1))
    canonical = canonicalise(hourglass((48, 40), ceil=True), plain)
    assert [node.op_type for node in canonical.graph.node[:3]] == ["Cast", "Transpose", "Conv"]
    scaled = spec(channels="bgr", input_range=None, input_scale=0.5, input_mean=(0, 0, 0), input_std=(1, 1, 1))
    operators = [node.op_type for node in canonicalise(hourglass((48, 40), ceil=True), scaled).graph.node[:4]]
    assert operators == ["Cast", "Transpose", "Mul", "Conv"]


def test_tensors_that_are_called_frame_and_logits_already_do_no_harm() -> None:
    sketch = Sketch()
    sketch.node("Relu", [sketch.conv("frame", "logits", (3, 4))], "image")
    model = sketch.model(tensor("frame", [1, 3, 45, 67]), tensor("image", [1, 4, 45, 67]))
    canonical = canonicalise(model, spec(input_name="frame"))
    own = run_onnxruntime(model, preprocessed("nchw", "rgb"))
    np.testing.assert_allclose(run_onnxruntime(canonical, FRAME), own, atol=1e-5)


def test_one_of_several_outputs_is_taken_and_the_rest_is_dropped() -> None:
    sketch = Sketch()
    sketch.conv("x", "main", (3, 4))
    sketch.node("Sigmoid", ["main"], "aux")
    outputs = [tensor(name, [1, 4, 45, 67]) for name in ("aux", "main")]
    model = sketch.model(tensor("x", [1, 3, 45, 67]), *outputs)
    with pytest.raises(ModelError, match=r"outputs \['aux', 'main'\]: say which one"):
        canonicalise(model, spec())
    canonical = canonicalise(model, spec(output_name="main"))
    assert "Sigmoid" not in {node.op_type for node in canonical.graph.node}


@pytest.mark.parametrize(
    ("changes", "count", "words"),
    [
        ({"layout": "nhwc"}, None, "not one nhwc picture of 3 channels"),
        ({"size": "64x48"}, None, "is 67x45, the spec says 64x48"),
        ({"input_name": "data"}, None, "inputs ['picture'], the spec asks for 'data'"),
        ({"output_name": "out"}, None, "outputs ['c3'], not 'out'"),
        ({"kind": "labels"}, 5, "not labels [1,45,67]"),
        ({}, 12, "5 channels, but the class map has 12 classes"),
        ({"void": 5}, 4, "void: 5, but output 'c3' is FLOAT [1, 5, 45, 67]"),
        ({"void": 1}, 5, "5 channels, but the class map has 5 classes and void"),
    ],
)
def test_a_spec_that_does_not_fit_is_refused(changes: dict[str, Any], count: int | None, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        canonicalise(net("nchw", "logits", "nchw"), spec(**changes), class_count=count)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_labels_taken_for_logits_and_labels_without_a_class_map_are_refused() -> None:
    with pytest.raises(ModelError, match=r"INT64 .* not float scores"):
        canonicalise(net("nchw", "labels", "nchw"), spec())
    with pytest.raises(ModelError, match="give the class map"):
        canonicalise(net("nchw", "labels", "nchw"), spec(kind="labels"))


def typed(elem_type: int, shape: list[Any]) -> onnx.ModelProto:
    """A network of one input type that gives its picture's channels as scores, at half their value."""
    sketch = Sketch()
    value = sketch.node("Cast", ["x"], "f", to=TensorProto.FLOAT)
    if len(shape) == 3:
        value = sketch.node("Unsqueeze", [value, sketch.const("first", np.array([0], np.int64))], "b")
    if shape[-1] == 3:
        value = sketch.node("Transpose", [value], "t", perm=[0, 3, 1, 2])
    sketch.node("Mul", [value, sketch.const("half", np.array(0.5, np.float32))], "y")
    return sketch.model(tensor("x", shape, elem_type), tensor("y", [1, 3, 45, 67]))


@pytest.mark.parametrize("name", ["FLOAT", "FLOAT16", "DOUBLE", "UINT8", "INT32", "INT64"])
@pytest.mark.parametrize("shape", [[1, 3, 45, 67], [1, 45, 67, 3], [3, 45, 67], [45, 67, 3], ["N", 45, 67, 3]])
def test_inputs_are_taken_in_the_type_and_layout_that_exporters_write(name: str, shape: list[Any]) -> None:
    model = typed(TensorProto.DataType.Value(name), shape)
    plain = ForeignSpec.model_validate(
        {"input": {"channels": "bgr", "range": 255}, "output": {"kind": "logits"}, "classes": "x.yaml"}
    )
    canonical = canonicalise(model, plain, class_count=3)
    assert list(canonical.graph.input) == [tensor("frame", [1, 45, 67, 3], TensorProto.UINT8)]
    found = run_onnxruntime(lower(canonical, "onnxruntime").model, FRAME)
    np.testing.assert_array_equal(found, FRAME.transpose(0, 3, 1, 2) * np.float32(0.5))


def test_an_input_of_bytes_with_a_scale_and_an_input_of_text_are_refused() -> None:
    with pytest.raises(ModelError, match=r"input 'x' is UINT8: it takes the picture's own 0..255"):
        canonicalise(typed(TensorProto.UINT8, [1, 3, 45, 67]), spec())
    sketch = Sketch()
    sketch.node("Cast", ["x"], "y", to=TensorProto.FLOAT)
    model = sketch.model(tensor("x", [1, 3, 45, 67], TensorProto.BOOL), tensor("y", [1, 3, 45, 67]))
    with pytest.raises(ModelError, match="input 'x' is BOOL, which is no picture"):
        canonicalise(model, spec())


def test_indices_that_torch_made_count_per_channel_are_understood() -> None:
    def exported(torch: bool) -> onnx.ModelProto:
        sketch = Sketch(1)
        sketch.pool(sketch.conv("x", "c", (3, 4)), "p")
        indices = "p.indices"
        if torch:
            sketch.pool("c", "flat", kernel_shape=[1, 1], strides=[1, 1])
            bounds = [
                sketch.const(f"b{i}", np.array(ends, np.int64)) for i, ends in enumerate(([0, 0], [1, 1], [2, 3]))
            ]
            first = sketch.node("Slice", ["flat.indices", *bounds], "first")
            indices = sketch.node("Sub", ["p.indices", first], "sub")
        shape = sketch.const("shape", np.array([1, 4, 45, 67], np.int64))
        sketch.node("MaxUnpool", ["p", indices, shape], "y", kernel_shape=[2, 2], strides=[2, 2])
        return sketch.model(tensor("x", [1, 3, 45, 67]), tensor("y", [1, 4, 45, 67]))

    expected = run_onnxruntime(canonicalise(exported(torch=False), spec()), FRAME)
    canonical = canonicalise(exported(torch=True), spec())
    np.testing.assert_array_equal(run_onnxruntime(lower(canonical, "opencv").model, FRAME), expected)
    image = preprocessed("nchw", "rgb")
    for target in ("onnxruntime", "tensorrt"):
        np.testing.assert_array_equal(run_onnxruntime(lower(exported(torch=True), target).model, image), expected)


GOOD = """
input: {layout: nchw, channels: rgb, range: 1, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
size: 67x45
output: {kind: logits}
classes: camvid-12
"""


def test_a_spec_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(GOOD)
    assert load_spec(path) == spec(size="67x45", output_layout=None)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("layout", "lay_out", "input.lay_out: Extra inputs are not permitted"),
        ("rgb", "rbg", "input.channels: Input should be 'rgb' or 'bgr'"),
        ("range: 1", "range: 2", "input.range"),
        ("range: 1,", "", "input: give range (1 or 255) or scale, one of them"),
        ("0.229", "0", "input.std: every std must be above 0"),
        ("[0.485, 0.456, 0.406]", "[0.5]", "input.mean"),
        ("67x45", "67*45", "size: write WIDTHxHEIGHT, as in 480x360"),
        ("classes: camvid-12", "", "classes: Field required"),
        ("{kind: logits}", "{kind: logits", ":5: not YAML"),
        (GOOD, "", "no keys found"),
    ],
)
def test_a_wrong_spec_file_is_one_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(SettingsError) as caught:
        load_spec(path)
    assert words in str(caught.value) and "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_files_that_are_no_text_are_one_line_too(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x80")
    for name, words in {"binary.yaml": "not UTF-8 text", "none.yaml": "No such file"}.items():
        with pytest.raises(SettingsError, match=words):
            load_spec(tmp_path / name)
    with pytest.raises(SettingsError, match="Is a directory"):
        load_spec(tmp_path)
