"""Random networks for tests: the family with random weights, and small hourglasses as other tools export them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_segnet.graph import build, segnet

Array = NDArray[Any]


@lru_cache
def random_weights(name: str, classes: int = 5, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """He-initialised weights, so that activations keep their scale through the depth."""
    architecture = segnet.ARCHITECTURES[name](classes)
    rng = np.random.default_rng(seed)
    weights = {}
    for conv in architecture.convolutions:
        fan_in = conv.in_channels // conv.groups * conv.kernel**2
        shape = (conv.out_channels, conv.in_channels // conv.groups, conv.kernel, conv.kernel)
        weight = rng.standard_normal(shape, np.float32) * np.float32((2 / fan_in) ** 0.5)
        weights[f"{conv.name}.weight"] = weight
        weights[f"{conv.name}.bias"] = rng.normal(0, 0.1, conv.out_channels).astype(np.float32)
    return weights


def random_model(name: str, size: tuple[int, int], classes: int = 5, seed: int = 0) -> onnx.ModelProto:
    """A canonical model of the family at ``size`` (width, height)."""
    architecture = segnet.ARCHITECTURES[name](classes)
    return build.build_model(architecture, random_weights(name, classes, seed), size)


def random_frame(size: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    """uint8 [1,H,W,3]: soft blobs with flat, saturated parts, so that pooling meets ties."""
    width, height = size
    rng = np.random.default_rng(seed)
    coarse = rng.normal(128, 90, (-(-height // 8), -(-width // 8), 3))
    smooth = coarse.repeat(8, 0).repeat(8, 1)[:height, :width] + rng.normal(0, 6, (height, width, 3))
    return np.clip(smooth, 0, 255).astype(np.uint8)[None]


class Sketch:
    """Writes a small graph node by node; weights come from ``seed``."""

    def __init__(self, seed: int = 0, opset: int = 17) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(seed)
        self.opset = opset

    def const(self, name: str, value: Array) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, **settings: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **settings))
        return output

    def conv(self, source: str, output: str, channels: tuple[int, int], kernel: int = 3) -> str:
        scale = (2 / (channels[0] * kernel**2)) ** 0.5
        weight = self.rng.normal(0, scale, (channels[1], channels[0], kernel, kernel)).astype(np.float32)
        bias = self.rng.normal(0, 0.1, channels[1]).astype(np.float32)
        inputs = [source, self.const(f"{output}.weight", weight), self.const(f"{output}.bias", bias)]
        return self.node("Conv", inputs, output, kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4)

    def pool(self, source: str, output: str, **settings: Any) -> str:
        given = {"kernel_shape": [2, 2], "strides": [2, 2]} | settings
        self.nodes.append(helper.make_node("MaxPool", [source], [output, f"{output}.indices"], name=output, **given))
        return output

    def unpool(self, source: str, pool: str, output: str, shape: list[int] | None = None, **settings: Any) -> str:
        inputs = [source, f"{pool}.indices"]
        if shape is not None:
            inputs.append(self.const(f"{output}.shape", np.array(shape, np.int64)))
        given = {"kernel_shape": [2, 2], "strides": [2, 2]} | settings
        return self.node("MaxUnpool", inputs, output, **given)

    def model(self, source: onnx.ValueInfoProto, *outputs: onnx.ValueInfoProto) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "sketch", [source], list(outputs), self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        return model


def tensor(name: str, shape: list[Any], elem_type: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """Type and shape of an input or output."""
    return helper.make_tensor_value_info(name, elem_type, shape)


def hourglass(
    size: tuple[int, int],
    *,
    ceil: bool,
    depth: int = 2,
    channels: int = 4,
    kernel: int = 3,
    seed: int = 0,
    shapes: bool = True,
) -> onnx.ModelProto:
    """A float NCHW SegNet in miniature: ``image`` [1,3,H,W] -> ``scores`` [1,3,H,W].

    ``shapes=False`` leaves MaxUnpool without output_shape, as exporters do for even maps.
    """
    width, height = size
    net = Sketch(seed)
    value = net.node("Relu", [net.conv("image", "stem", (3, channels), kernel)], "stem.relu")
    sizes = []
    for level in range(depth):
        sizes.append((height, width))
        value = net.node("Relu", [net.conv(value, f"enc{level}", (channels, channels), kernel)], f"enc{level}.relu")
        value = net.pool(value, f"pool{level}", ceil_mode=int(ceil))
        height, width = ((height + ceil) // 2, (width + ceil) // 2)
    for level in reversed(range(depth)):
        shape = [1, channels, *sizes[level]] if shapes else None
        value = net.unpool(value, f"pool{level}", f"up{level}", shape)
        value = net.conv(value, f"dec{level}", (channels, channels if level else 3), kernel)
        value = net.node("Relu", [value], f"dec{level}.relu") if level else value
    net.nodes[-1].output[0] = "scores"
    return net.model(tensor("image", [1, 3, size[1], size[0]]), tensor("scores", [1, 3, size[1], size[0]]))


def whole_numbers(model: onnx.ModelProto, seed: int = 0) -> onnx.ModelProto:
    """The same net with small whole weights: on whole inputs every runtime's sums are exact, and maxima tie often."""
    rng = np.random.default_rng(seed)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for index, weight in enumerate(changed.graph.initializer):
        if weight.data_type == TensorProto.FLOAT:
            value = rng.integers(-1, 2, list(weight.dims)).astype(np.float32)
            changed.graph.initializer[index].CopyFrom(numpy_helper.from_array(value, weight.name))
    return changed
