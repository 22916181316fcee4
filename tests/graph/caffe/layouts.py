"""The public layouts, written as their prototxts are (names, order of fields, quirks of the text format), and random
weights for them. Sources of the facts: SegNet-Tutorial's Models and Example_Models, TimoSaemann/ENet's prototxts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.graph.caffe.writer import caffemodel

Array = NDArray[Any]
VGG = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]


@dataclass
class Op:
    """A layer as the literal implementation runs it."""

    name: str
    kind: str
    bottoms: list[str]
    tops: list[str]
    settings: dict[str, Any] = field(default_factory=dict)


class Layout:
    """Collects the text of a prototxt and, beside it, the same layers as plain data with their weights."""

    def __init__(self, head: str, seed: int = 0) -> None:
        self.text = head
        self.ops: list[Op] = []
        self.weights: dict[str, list[Array]] = {}
        self.channels = {"data": 3}
        self._rng = np.random.default_rng(seed)
        self.last = "data"

    def write(self, folder: Path, *, legacy: bool = False) -> tuple[Path, Path]:
        """The two files."""
        model, weights = folder / "net.prototxt", folder / "net.caffemodel"
        model.write_text(self.text, encoding="utf-8")
        kinds = {op.name: op.kind for op in self.ops}
        weights.write_bytes(caffemodel(self.weights, kinds, legacy=legacy))
        return model, weights

    def put(self, op: Op, body: str, channels: int) -> str:
        lines = [f'  name: "{op.name}"', f'  type: "{op.kind}"']
        # The public files mix the order of bottoms and tops.
        lines += [f'  bottom: "{op.bottoms[0]}"', *(f'  top: "{top}"' for top in op.tops)]
        lines += [f'  bottom: "{bottom}"' for bottom in op.bottoms[1:]]
        self.text += "layer {\n" + "\n".join(lines) + f"\n{body}}}\n"
        self.ops.append(op)
        self.channels[op.tops[0]] = channels
        self.last = op.tops[0]
        return self.last

    def conv(self, name: str, outputs: int, kernel: int = 3, source: str | None = None, **more: Any) -> str:
        """Convolution; ``more``: pad, stride, dilation, bias, rows, columns (a 1xN kernel), transposed."""
        source = source or self.last
        inputs = self.channels[source]
        rows, columns = more.get("rows", kernel), more.get("columns", kernel)
        given = {"stride": 1, "dilation": 1, "bias": True, "transposed": False, "pad": kernel // 2} | more
        fan = rows * columns * (outputs if given["transposed"] else inputs)
        shape = (inputs, outputs, rows, columns) if given["transposed"] else (outputs, inputs, rows, columns)
        weight = self._rng.standard_normal(shape, np.float32) * np.float32((2 / fan) ** 0.5)
        self.weights[name] = [weight]
        if given["bias"]:
            self.weights[name].append(self._rng.normal(0, 0.1, outputs).astype(np.float32))
        size = f"    kernel_size: {kernel}\n" if rows == columns else f"    kernel_h: {rows}\n    kernel_w: {columns}\n"
        body = (
            "  param {\n    lr_mult: 1\n    decay_mult: 1\n  }\n  convolution_param {\n"
            '    weight_filler {\n      type: "msra"\n    }\n'
            f"    num_output: {outputs}\n{size}    pad: {given['pad']}\n    stride: {given['stride']}\n"
        )
        body += "" if given["bias"] else "    bias_term: false\n"
        body += f"    dilation: {given['dilation']}\n" if given["dilation"] != 1 else ""
        kind = "Deconvolution" if given["transposed"] else "Convolution"
        return self.put(Op(name, kind, [source], [name], given), body + "  }\n", outputs)

    def bn(self, name: str, *, in_place: bool = True) -> str:
        channels = self.channels[self.last]
        self.weights[name] = [
            self._rng.uniform(0.7, 1.3, (1, channels, 1, 1)).astype(np.float32),
            self._rng.normal(0, 0.1, (1, channels, 1, 1)).astype(np.float32),
        ]
        body = '  bn_param {\n\tbn_mode: INFERENCE\n\tscale_filler {\n\t  type: "constant"\n\t  value: 1\n\t}\n }\n'
        return self.put(Op(name, "BN", [self.last], [self.last if in_place else name]), body, channels)

    def relu(self, name: str, *, in_place: bool = True) -> str:
        top = self.last if in_place else name
        return self.put(Op(name, "ReLU", [self.last], [top]), "", self.channels[self.last])

    def prelu(self, name: str) -> str:
        channels = self.channels[self.last]
        self.weights[name] = [self._rng.uniform(0.05, 0.4, channels).astype(np.float32)]
        return self.put(Op(name, "PReLU", [self.last], [name]), "", channels)

    def drop(self, name: str, *, bayesian: bool = False) -> str:
        sampling = "    sample_weights_test: true\n" if bayesian else ""
        body = f"  dropout_param {{\n{sampling}    dropout_ratio: 0.5\n  }}\n"
        return self.put(Op(name, "Dropout", [self.last], [self.last]), body, self.channels[self.last])

    def pool(self, name: str, *, source: str | None = None, mask: bool = True) -> str:
        source = source or self.last
        tops = [name, f"{name}_mask"] if mask else [name]
        body = "  pooling_param {\n    pool: MAX\n    kernel_size: 2\n    stride: 2\n  }\n"
        return self.put(Op(name, "Pooling", [source], tops), body, self.channels[source])

    def upsample(self, name: str, mask: str, top: str, extra: str = "") -> str:
        body = f"  upsample_param {{\n    scale: 2\n{extra}  }}\n"
        return self.put(Op(name, "Upsample", [self.last, mask], [top]), body, self.channels[self.last])

    def plain(self, name: str, kind: str, sources: list[str], body: str = "", channels: int = 0) -> str:
        return self.put(Op(name, kind, sources, [name]), body, channels or self.channels[sources[0]])


def _vgg(net: Layout, classes: int, *, bayesian: bool = False, extra_classifier: bool = False) -> Layout:
    def unit(name: str, channels: int) -> None:
        net.conv(name, channels)
        net.bn(f"{name}_bn")
        net.relu(name.replace("conv", "relu"))

    for stage, (channels, depth) in enumerate(VGG, start=1):
        for index in range(1, depth + 1):
            unit(f"conv{stage}_{index}", channels)
        net.pool(f"pool{stage}")
        if bayesian and stage >= 3:
            net.drop(f"pool{stage}_drop", bayesian=True)
    written = {5: "    upsample_w: 30\n    upsample_h: 23\n", 4: "    upsample_w: 60\n    upsample_h: 45\n"}
    for stage, (channels, depth) in reversed(list(enumerate(VGG, start=1))):
        net.upsample(f"upsample{stage}", f"pool{stage}_mask", f"pool{stage}_D", written.get(stage, ""))
        for index in range(depth, 1, -1):
            unit(f"conv{stage}_{index}_D", channels)
        if stage > 1:
            unit(f"conv{stage}_1_D", VGG[stage - 2][0])
            if bayesian and stage >= 3:
                net.drop(f"upsample{stage - 1}_drop", bayesian=True)
    if extra_classifier:
        unit("conv1_1_D", 64)
        net.conv("camvid", classes)
    else:
        net.conv("conv1_1_D", classes)
    return net


def driving_web_demo() -> Layout:
    """26 convolutions, 12 classes, ``input_dim``, ends in ArgMax."""
    head = 'name: "VGG_ILSVRC_16_layer"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 360\ninput_dim: 480\n'
    net = _vgg(Layout(head), 12)
    net.plain("argmax", "ArgMax", [net.last], "  argmax_param {\n    axis: 1\n  }\n")
    return net


_DENSE = (
    'name: "{name}"\nlayer {{\n  name: "data"\n  type: "DenseImageData"\n  top: "data"\n  top: "label"\n'
    '  dense_image_data_param {{\n    source: "/SegNet/CamVid/test.txt"\t# Change this to the absolute path\n'
    "    batch_size: 1\n  }}\n}}\n"
)


def tutorial() -> Layout:
    """The same with 11 classes, a DenseImageData layer and a Softmax."""
    net = _vgg(Layout(_DENSE.format(name="VGG_ILSVRC_16_layer"), seed=1), 11)
    net.plain("prob", "Softmax", [net.last])
    return net


def segnet_basic() -> Layout:
    """LRN, four 7x7x64 encoders and decoders, no ReLU in the decoder; ``pad_out_h`` in the first upsampling."""
    net = Layout(_DENSE.format(name="segnet"), seed=2)
    body = "  lrn_param {\n    local_size: 5\n    alpha: 0.0001\n    beta: 0.75\n  }\n"
    net.plain("norm", "LRN", ["data"], body)
    for stage in range(1, 5):
        net.conv(f"conv{stage}", 64, 7)
        net.bn(f"conv{stage}_bn")
        net.relu(f"relu{stage}")
        net.pool(f"pool{stage}")
    for stage in range(4, 0, -1):
        net.upsample(
            f"upsample{stage}", f"pool{stage}_mask", f"upsample{stage}", "    pad_out_h: true\n" * (stage == 4)
        )
        net.conv(f"conv_decode{stage}", 64, 7)
        net.bn(f"conv_decode{stage}_bn")
    net.conv("conv_classifier", 11, 1)
    net.plain("prob", "Softmax", [net.last])
    return net


def bayesian_segnet() -> Layout:
    """``input_shape`` with four samples, dropout that samples at test time, an extra classifier called ``camvid``."""
    head = (
        'name: "VGG_ILSVRC_16_layer"\ninput: "data"\ninput_shape {\n  dim: 4 # Set this to your sample size\n'
        "  dim: 3\n  dim: 360\n  dim: 480\n}\n"
    )
    net = _vgg(Layout(head, seed=3), 11, bayesian=True, extra_classifier=True)
    net.plain("prob", "Softmax", [net.last])
    return net


def enet(classes: int = 19) -> Layout:
    """ENet for the same fork: PReLU, dilated and 1x5 convolutions, Eltwise, Concat, Deconvolution, spatial dropout."""
    shape = "    shape {\n      dim: 1\n      dim: 3\n      dim: 512\n      dim: 1024\n    }\n"
    head = (
        f'name: "ENet"\nlayer {{\n  name: "data"\n  type: "Input"\n  top: "data"\n  input_param {{\n{shape}  }}\n}}\n'
    )
    net = Layout(head, seed=4)
    net.conv("conv0_1", 13, stride=2)
    net.pool("pool0_1", source="data", mask=False)
    net.plain("concat0_1", "Concat", ["conv0_1", "pool0_1"], "  concat_param {\n    axis: 1\n  }\n", 16)
    net.bn("bn0_1", in_place=False)
    net.prelu("prelu0_1")
    _bottleneck(net, "1_0", 64, "down")
    for index in range(1, 5):
        _bottleneck(net, f"1_{index}", 64)
    _bottleneck(net, "2_0", 128, "down")
    for stage in (2, 3):
        for index, (kind, step) in enumerate(
            [("", 1), ("", 2), ("asymmetric", 1), ("", 4), ("", 1), ("", 8), ("asymmetric", 1), ("", 16)], start=1
        ):
            _bottleneck(net, f"{stage}_{index}", 128, kind, step)
    _bottleneck(net, "4_0", 64, "up", mask="pool2_0_4_mask")
    _bottleneck(net, "4_1", 64, "relu")
    _bottleneck(net, "4_2", 64, "relu")
    _bottleneck(net, "5_0", 16, "up", mask="pool1_0_4_mask")
    _bottleneck(net, "5_1", 16, "relu")
    net.conv("deconv6_0_0", classes, 2, pad=0, stride=2, transposed=True)
    return net


def _bottleneck(net: Layout, place: str, outputs: int, kind: str = "", step: int = 1, mask: str = "") -> None:
    """Three convolutions beside a shortcut; at "down" the shortcut pools, at "up" it unpools."""
    entry = net.last
    activate: Callable[[str], str] = net.prelu
    if kind in ("up", "relu"):
        activate = lambda name: net.relu(name, in_place=False)  # noqa: E731 - one of two ways, chosen once
    narrow = outputs // 4
    net.conv(f"conv{place}_0", narrow, 2 if kind == "down" else 1, pad=0, stride=2 if kind == "down" else 1, bias=False)
    net.bn(f"bn{place}_0", in_place=False)
    activate(f"prelu{place}_0")
    if kind == "asymmetric":
        net.conv(f"conv{place}_1_a", narrow, rows=5, columns=1, pad=1, bias=False)
        net.conv(f"conv{place}_1", narrow, rows=1, columns=5, pad=1)
    elif kind == "up":
        net.conv(f"deconv{place}_1", narrow, 2, pad=0, stride=2, transposed=True)
    else:
        net.conv(f"conv{place}_1", narrow, 3, pad=step, dilation=step)
    net.bn(f"bn{place}_1", in_place=False)
    activate(f"prelu{place}_1")
    net.conv(f"conv{place}_2", outputs, 1, bias=False)
    net.bn(f"bn{place}_2", in_place=False)
    drop = '  python_param {\n    module: "spatial_dropout"\n    layer: "SpatialDropoutLayer"\n'
    drop += "    param_str: \"{\\'phase\\': \\'TEST\\', \\'p\\': \\'0.1\\'}\"\n  }\n"
    branch = net.plain(f"drop{place}_3", "Python", [net.last], drop)
    shortcut = entry
    if kind in ("down", "up"):
        pooled = net.pool(f"pool{place}_4", source=entry) if kind == "down" else entry
        net.conv(f"conv{place}_4", outputs, 1, source=pooled, bias=False)
        shortcut = net.bn(f"bn{place}_4", in_place=False)
    if kind == "up":
        shortcut = net.upsample(f"upsample{place}_4", mask, f"upsample{place}_4")
    net.plain(f"eltwise{place}_4", "Eltwise", [branch, shortcut])
    activate(f"prelu{place}_4")
