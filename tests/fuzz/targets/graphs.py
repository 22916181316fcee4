"""Models: our own, other people's with a spec, Caffe's. ONNX is changed as a graph, so that it stays parsable."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import onnx
from onnx import TensorProto, helper

from edge_segnet.backends.model import BackendOptions, open_backend
from edge_segnet.graph import card as cards
from edge_segnet.graph.caffe.importer import import_caffe
from edge_segnet.graph.foreign import canonicalise
from edge_segnet.graph.load import read_file
from edge_segnet.graph.lower import lower
from edge_segnet.service.model import self_test
from tests.fuzz.mutate import mutated, mutated_text
from tests.graph.caffe import layouts
from tests.graph.caffe.writer import caffemodel
from tests.graph.test_foreign import net, spec
from tests.support.models import tiny_model

BIG: Final = (0, 1, -1, 2, 3, 7, 2**31 - 1, 2**31, 2**32, 2**40, 2**63 - 1, -(2**63), 65535, 100_000)
OPERATORS: Final = [
    "MaxUnpool",
    "MaxPool",
    "Conv",
    "Add",
    "Loop",
    "If",
    "Scan",
    "ConstantOfShape",
    "Range",
    "Expand",
    "Reshape",
    "Resize",
    "Nope",
    "Identity",
    "Constant",
    "NonZero",
    "StringNormalizer",
    "Cast",
    "Transpose",
    "SequenceAt",
    "Optional",
    "Gather",
    "Shape",
    "Pad",
    "Tile",
    "QuantizeLinear",
]
LOCATIONS: Final = (
    *("../../../../etc/passwd", "/etc/passwd", "data.bin", "sub/../x", "", "\0", "./data.bin", "link.bin", "fifo"),
    *("hard.bin", "C:\\x", "..\\x", "data.bin/", "//etc/passwd", "/dev/zero", "x" * 5000, ".", "dir"),
)
Change = Callable[[random.Random, onnx.GraphProto], None]


def _some(rng: random.Random, graph: onnx.GraphProto) -> onnx.NodeProto:
    node: onnx.NodeProto = rng.choice(list(graph.node))
    return node


def _names(graph: onnx.GraphProto) -> list[str]:
    outputs = [name for node in graph.node for name in node.output]
    return ["", "nothing", "frame", "logits", *outputs, *(tensor.name for tensor in graph.initializer)]


def _rewire(rng: random.Random, graph: onnx.GraphProto) -> None:
    node = _some(rng, graph)
    names = rng.choice([node.input, node.output])
    if names:
        names[rng.randrange(len(names))] = rng.choice(_names(graph))


def _shorten(rng: random.Random, graph: onnx.GraphProto) -> None:
    node = _some(rng, graph)
    del node.input[rng.randrange(len(node.input) + 1) :]


def _rename(rng: random.Random, graph: onnx.GraphProto) -> None:
    node = _some(rng, graph)
    node.op_type = rng.choice(OPERATORS)
    node.domain = rng.choice(("", "", "com.microsoft", "ai.onnx.ml", "x"))
    node.name = rng.choice(("", "x" * 10_000, "a\nb", "\0"))


def _attribute(rng: random.Random, graph: onnx.GraphProto) -> None:
    attributes = list(_some(rng, graph).attribute)
    if not attributes:
        return
    attribute = rng.choice(attributes)
    match rng.randrange(6):
        case 0:
            attribute.name = rng.choice(("", "kernel_shape", "pads", "strides", "to", "nope", "value"))
        case 1 if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(BIG[:-1])
        case 2:
            attribute.type = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13))
        case 3:
            attribute.ints.extend([rng.choice(BIG)] * rng.choice((1, 3, 100)))
        case 4:
            attribute.s = rng.randbytes(8)
        case _:
            attribute.i = rng.choice(BIG)


def _new_attribute(rng: random.Random, graph: onnx.GraphProto) -> None:
    name = rng.choice(
        [
            "pads",
            "strides",
            "kernel_shape",
            "dilations",
            "group",
            "ceil_mode",
            "auto_pad",
            "axis",
            "perm",
            "to",
            "storage_order",
        ]
    )
    value = rng.choice(([-1] * 4, [0], [2, 2], [2**31] * 2, 1, -1, 2**40, "VALID", "SAME_UPPER", b"\xff\xfe", 1.5))
    _some(rng, graph).attribute.append(helper.make_attribute(name, value))


def _order(rng: random.Random, graph: onnx.GraphProto) -> None:
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in graph.node]
    match rng.randrange(3):
        case 0:
            rng.shuffle(nodes)
        case 1:
            nodes.append(rng.choice(nodes))
        case _:
            nodes.remove(rng.choice(nodes))
    del graph.node[:]
    graph.node.extend(nodes)


def _weight(rng: random.Random, graph: onnx.GraphProto) -> None:
    if not graph.initializer:
        return
    tensor = rng.choice(list(graph.initializer))
    match rng.randrange(6):
        case 0 if tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(BIG)
        case 1:
            tensor.data_type = rng.choice((0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 14, 16, 17, 18, 21, 22, 23, 24, 99, -1))
        case 2:
            tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)] or b"xx"
        case 3:
            tensor.name = rng.choice(_names(graph))
        case 4:
            tensor.float_data.extend([1.0] * rng.choice((1, 1000)))
        case _:
            # No number, in some of the values.
            tensor.raw_data = b"\x00\x00\xc0\x7f" * (len(tensor.raw_data) // 4)


def _external(rng: random.Random, graph: onnx.GraphProto) -> None:
    if not graph.initializer:
        return
    tensor = rng.choice(list(graph.initializer))
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    facts = {"location": rng.choice(LOCATIONS)}
    if rng.random() < 0.5:
        facts["offset"] = rng.choice(("0", "-1", "x", str(2**62), "16"))
    if rng.random() < 0.5:
        facts["length"] = rng.choice(("0", "-1", "x", str(2**62), "16"))
    for key, value in facts.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def _shape(rng: random.Random, graph: onnx.GraphProto) -> None:
    value = rng.choice([*graph.input, *graph.output])
    kind = value.type.tensor_type
    if rng.random() < 0.3:
        kind.elem_type = rng.choice((0, 1, 2, 7, 10, 99))
    elif kind.shape.dim:
        kind.shape.dim[rng.randrange(len(kind.shape.dim))].dim_value = rng.choice(BIG)


def _bomb(rng: random.Random, graph: onnx.GraphProto) -> None:
    """A few bytes that ask for much memory or time."""
    sides = rng.choice(([10**9], [2**62], [40_000, 40_000], [1 << 20] * 3, [2**31], [10**7]))
    graph.initializer.append(helper.make_tensor("bomb.shape", 7, [len(sides)], sides))
    kind = rng.choice(("ConstantOfShape", "Expand", "Range", "Tile"))
    if kind == "Range":
        for name, number in {"bomb.a": 0, "bomb.b": sides[0], "bomb.c": rng.choice((1, 0, -1))}.items():
            graph.initializer.append(helper.make_tensor(name, 7, [], [number]))
        node = helper.make_node(kind, ["bomb.a", "bomb.b", "bomb.c"], ["bomb"])
    elif kind == "ConstantOfShape":
        node = helper.make_node(kind, ["bomb.shape"], ["bomb"])
    else:
        graph.initializer.append(helper.make_tensor("bomb.one", 1, [1] * len(sides), [1.0]))
        node = helper.make_node(kind, ["bomb.one", "bomb.shape"], ["bomb"])
    graph.node.insert(0, node)
    users = [each for each in graph.node if each.op_type in ("MaxUnpool", "Reshape", "Resize", "Add", "Conv")]
    if users:
        user = rng.choice(users)
        user.input[rng.randrange(len(user.input))] = "bomb"


def _declared(rng: random.Random, graph: onnx.GraphProto) -> None:
    name, kind = rng.choice(_names(graph)), rng.choice((1, 2, 7))
    made = helper.make_tensor_value_info(name, kind, rng.choice(([1], [0], [2**40] * 4, ["N"], None)))
    rng.choice((graph.value_info, graph.input, graph.output)).append(made)


CHANGES: Final[tuple[Change, ...]] = (
    *(_rewire, _shorten, _rename, _attribute, _new_attribute, _order, _weight, _external, _shape, _bomb, _declared),
)


def _parts(rng: random.Random, model: onnx.ModelProto) -> None:
    """What stands around the graph: metadata, operator sets, functions."""
    match rng.randrange(4):
        case 0 if model.metadata_props:
            entry = rng.choice(list(model.metadata_props))
            entry.value = rng.choice(("", "{}", "[" * 5000, "9" * 5000, "\0", mutated_text(rng, entry.value)))
        case 1:
            model.opset_import[0].version = rng.choice((0, 1, 9, 23, 99, 2**40))
        case 2:
            model.opset_import.add().domain = rng.choice(("com.microsoft", "", "ai.onnx"))
        case _:
            body = helper.make_node(rng.choice(("Identity", "Foo")), ["a"], ["b"], domain=rng.choice(("", "local")))
            opset = [helper.make_opsetid("", 17)]
            model.functions.append(helper.make_function("local", "Foo", ["a"], ["b"], [body], opset))
            _some(rng, model.graph).op_type = "Foo"


def changed_model(rng: random.Random, seed: bytes) -> bytes:
    """A model that was changed here and there."""
    model = onnx.ModelProto.FromString(seed)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        if not model.graph.node:
            break
        if rng.random() < 0.15:
            _parts(rng, model)
        else:
            rng.choice(CHANGES)(rng, model.graph)
    data: bytes = model.SerializeToString()
    return mutated(rng, data) if rng.random() < 0.1 else data


def neighbours(folder: Path) -> None:
    """Files beside the model that external data may name."""
    if not (folder / "data.bin").exists():
        (folder / "data.bin").write_bytes(bytes(100_000))
        (folder / "link.bin").symlink_to("/etc/passwd")
        os.link(folder / "data.bin", folder / "hard.bin")
        os.mkfifo(folder / "fifo")
        (folder / "dir").mkdir()


class OwnModel:
    """``--model FILE.onnx``: loaded, checked, lowered for a target, resized; some are run."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "model.onnx"
        self._seed = tiny_model().proto.SerializeToString()
        neighbours(folder)

    def make(self, rng: random.Random) -> tuple[Any, ...]:
        self._path.write_bytes(changed_model(rng, self._seed))
        target = rng.choice(("onnxruntime", "tensorrt", "openvino", "opencv"))
        size = rng.choice((None, None, (64, 48), (33, 47), (128, 96)))
        return (
            self._path,
            target,
            rng.choice(("fp32", "fp16")),
            rng.choice(("logits", "labels")),
            size,
            rng.random() < 0.25,
        )

    def run(self, case: tuple[Any, ...]) -> None:
        path, target, precision, head, size, served = case
        model = cards.load(str(path))
        if served:
            backend = open_backend(model, "onnx", BackendOptions(threads=1))
            try:
                self_test(backend)
            finally:
                backend.close()
        lower(model.proto, target, precision=precision, head=head, size=size)
        if size is not None:
            cards.resized(model, size)


class ForeignModel:
    """``convert --spec``."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "model.onnx"
        neighbours(folder)
        pairs = [
            ("nchw", "logits", "nchw"),
            ("nhwc", "logits", "nhwc"),
            ("nchw", "labels", "none"),
            ("nhwc", "labels", "nchw"),
        ]
        self._seeds = [
            (
                net(*names).SerializeToString(),
                spec(layout=names[0], kind=names[1], out_layout=names[2].replace("none", "nchw")),
            )
            for names in pairs
        ]
        dynamic = net("nchw", "logits", "nchw", [1, 3, "h", "w"])
        self._seeds.append((dynamic.SerializeToString(), spec(channels="bgr", size="67x45")))

    def make(self, rng: random.Random) -> tuple[Any, ...]:
        seed, described = rng.choice(self._seeds)
        self._path.write_bytes(changed_model(rng, seed))
        return self._path, described, rng.choice((5, 12, None))

    def run(self, case: tuple[Any, ...]) -> None:
        path, described, count = case
        lower(canonicalise(read_file(path).proto, described, class_count=count), "tensorrt")


PROTOTXT: Final = (
    *("layer {", "}", "{", "<", ">", 'name: "x"', 'type: "Convolution"', 'type: "Upsample"', 'bottom: "data"', "#"),
    *('top: "data"', "kernel_size: 0", "kernel_size: 999999", "pad: 4294967295", "stride: 0", "num_output: 4294967295"),
    *("num_output: 0", "group: 0", "dilation: 99", "scale: 2147483647", "upsample_w: 4294967295", "pool: AVE", "\0"),
    *(
        "dim: -1",
        "dim: 9223372036854775807",
        "input_dim: 0",
        "phase: TEST",
        "eps: nan",
        "negative_slope: inf",
        "'",
        '"',
    ),
    *("\\x00", "\\377", "include { phase: TRAIN }", "layers { type: CONVOLUTION }", "axis: -9", "[", "]", ":", "é"),
)
HEAD: Final = 'name: "t"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 64\ninput_dim: 64\n'


class Caffe:
    """``import-caffe``: text and weights."""

    def __init__(self, folder: Path) -> None:
        self._model, self._weights = folder / "net.prototxt", folder / "net.caffemodel"
        network = layouts.Layout(HEAD, seed=2)
        for number in (1, 2):
            network.conv(f"conv{number}", 4, 3)
            network.bn(f"conv{number}_bn")
            network.relu(f"relu{number}")
            network.pool(f"pool{number}")
        for number in (2, 1):
            network.upsample(f"up{number}", f"pool{number}_mask", f"up{number}")
            network.conv(f"dec{number}", 4, 3)
        network.conv("cls", 5, 1)
        kinds = {op.name: op.kind for op in network.ops}
        self._text = network.text
        self._seeds = [caffemodel(network.weights, kinds, legacy=legacy) for legacy in (False, True)]

    def make(self, rng: random.Random) -> tuple[Any, ...]:
        text, weights, chance = self._text, rng.choice(self._seeds), rng.random()
        if chance < 0.65:
            text = mutated_text(rng, text, PROTOTXT)
        if chance > 0.55:
            weights = mutated(rng, weights[:4000]) + weights[4000:] if rng.random() < 0.5 else mutated(rng, weights)
        self._model.write_bytes(text.encode("utf-8", "surrogatepass"))
        self._weights.write_bytes(weights)
        return self._model, self._weights, rng.choice((None, None, (64, 64), (240, 184), (8192, 8192), (33, 47)))

    def run(self, case: tuple[Any, ...]) -> None:
        import_caffe(*case)
