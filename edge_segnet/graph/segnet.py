"""The SegNet family: one description per architecture, read by two builders.

An ``Architecture`` is a flat list of named layers. ``build_model`` turns it and named weights into the canonical ONNX
graph; ``edge_segnet.train.model`` turns the same list into a torch module. A weight therefore has one name everywhere:
``<layer>.weight`` and ``<layer>.bias``.

* ``segnet``: Badrinarayanan, Kendall, Cipolla, "SegNet", TPAMI 2017 (arXiv 1511.00561): VGG16's 13 convolutions and
  their mirror image. Layer names are those of the public Caffe model.
* ``segnet-basic``: the same paper's small net: LRN, four 7x7x64 encoders and decoders, no ReLU in the decoder.
* ``segnet-lite``: ours. An EfficientNet-Lite0 encoder (Tan & Le 2019, arXiv 1905.11946; Lite: ReLU6, no squeeze and
  excitation) whose strided blocks became stride 1 + 2x2 max-pooling, a decoder that unpools with the stored indices
  and adds the encoder's map (the paper's "EncoderAddition" decoder, its table 1), and sub-pixel logits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Activation = Literal["relu", "relu6", "none"]


@dataclass(frozen=True)
class Conv:
    """Convolution with "same" padding; ``batch_norm`` exists in training only, the ONNX graph has it folded."""

    name: str
    source: str
    in_channels: int
    out_channels: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1
    batch_norm: bool = True
    activation: Activation = "relu"


@dataclass(frozen=True)
class Pool:
    """2x2/2 max-pooling in ceil mode that keeps its indices (first maximum in row order wins, as in Caffe)."""

    name: str
    source: str


@dataclass(frozen=True)
class Unpool:
    """Puts each value back where ``pool`` found its maximum, at the exact size from before the pooling."""

    name: str
    source: str
    pool: str


@dataclass(frozen=True)
class Add:
    """Sum of two maps; a 1x1 map is broadcast."""

    name: str
    left: str
    right: str


@dataclass(frozen=True)
class LocalResponseNorm:
    """Across channels: x / (1 + alpha/size * sum of squares)^beta."""

    name: str
    source: str
    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75


@dataclass(frozen=True)
class GlobalMean:
    """Mean over the whole map, [N,C,H,W] -> [N,C,1,1]."""

    name: str
    source: str


@dataclass(frozen=True)
class SubPixel:
    """[N,4C,h,w] -> [N,C,H,W]: depth to space (channel-major, as torch's pixel_shuffle), cut to the input's size."""

    name: str
    source: str


Layer = Conv | Pool | Unpool | Add | LocalResponseNorm | GlobalMean | SubPixel
INPUT = "image"
"""Name of the preprocessed picture, float [N,3,H,W] in BGR order, that the first layer reads."""


@dataclass(frozen=True)
class Architecture:
    """Layers in order of execution; the last one gives the logits.

    ``mean`` and ``scale`` (BGR order): the first layer sees ``(frame - mean) * scale``.
    """

    name: str
    classes: int
    mean: tuple[float, float, float]
    scale: float
    layers: list[Layer] = field(default_factory=list)

    @property
    def convolutions(self) -> list[Conv]:
        """The layers that own weights."""
        return [layer for layer in self.layers if isinstance(layer, Conv)]


class _Sketch:
    """Collects layers; remembers the last one, so that a chain is written without naming every input."""

    def __init__(self, architecture: Architecture) -> None:
        self._layers = architecture.layers
        self._channels: dict[str, int] = {INPUT: 3}
        self.last = INPUT

    def _put(self, layer: Layer, channels: int) -> str:
        self._layers.append(layer)
        self._channels[layer.name] = channels
        self.last = layer.name
        return layer.name

    def conv(
        self,
        name: str,
        out_channels: int,
        kernel: int = 3,
        *,
        source: str | None = None,
        stride: int = 1,
        depthwise: bool = False,
        batch_norm: bool = True,
        activation: Activation = "relu",
    ) -> str:
        source = source or self.last
        channels = self._channels[source]
        groups = channels if depthwise else 1
        conv = Conv(name, source, channels, out_channels, kernel, stride, groups, batch_norm, activation)
        return self._put(conv, out_channels)

    def pool(self, name: str) -> str:
        return self._put(Pool(name, self.last), self._channels[self.last])

    def unpool(self, name: str, pool: str) -> str:
        return self._put(Unpool(name, self.last, pool), self._channels[self.last])

    def add(self, name: str, left: str, right: str) -> str:
        return self._put(Add(name, left, right), self._channels[left])

    def norm(self, name: str) -> str:
        return self._put(LocalResponseNorm(name, self.last), self._channels[self.last])

    def mean(self, name: str) -> str:
        return self._put(GlobalMean(name, self.last), self._channels[self.last])

    def subpixel(self, name: str) -> str:
        return self._put(SubPixel(name, self.last), self._channels[self.last] // 4)

    def inverted_residual(self, name: str, out_channels: int, kernel: int, expand: int = 6) -> str:
        """MBConv (MobileNetV2, arXiv 1801.04381) at stride 1: expand, depthwise, project, add if the shape allows."""
        source = self.last
        channels = self._channels[source]
        if expand > 1:
            self.conv(f"{name}_expand", channels * expand, 1, activation="relu6")
        self.conv(f"{name}_depthwise", channels * expand, kernel, depthwise=True, activation="relu6")
        projected = self.conv(f"{name}_project", out_channels, 1, activation="none")
        return self.add(f"{name}_sum", source, projected) if channels == out_channels else projected


def segnet(classes: int) -> Architecture:
    """The full SegNet, 29.4 M weights; takes raw BGR 0..255 as its Caffe ancestor does."""
    architecture = Architecture("segnet", classes, mean=(0.0, 0.0, 0.0), scale=1.0)
    sketch = _Sketch(architecture)
    encoder = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]
    for stage, (channels, depth) in enumerate(encoder, start=1):
        for index in range(1, depth + 1):
            sketch.conv(f"conv{stage}_{index}", channels)
        sketch.pool(f"pool{stage}")
    for stage, (channels, depth) in reversed(list(enumerate(encoder, start=1))):
        sketch.unpool(f"upsample{stage}", f"pool{stage}")
        for index in range(depth, 1, -1):
            sketch.conv(f"conv{stage}_{index}_D", channels)
        if stage > 1:
            sketch.conv(f"conv{stage}_1_D", encoder[stage - 2][0])
    sketch.conv("conv1_1_D", classes, batch_norm=False, activation="none")
    return architecture


def segnet_basic(classes: int) -> Architecture:
    """SegNet-Basic, 1.4 M weights: LRN on raw BGR, then four encoders and four decoders of 64 7x7 maps."""
    architecture = Architecture("segnet-basic", classes, mean=(0.0, 0.0, 0.0), scale=1.0)
    sketch = _Sketch(architecture)
    sketch.norm("norm")
    for stage in range(1, 5):
        sketch.conv(f"conv{stage}", 64, 7)
        sketch.pool(f"pool{stage}")
    for stage in range(4, 0, -1):
        sketch.unpool(f"upsample{stage}", f"pool{stage}")
        sketch.conv(f"conv_decode{stage}", 64, 7, activation="none")
    sketch.conv("conv_classifier", classes, 1, batch_norm=False, activation="none")
    return architecture


def segnet_lite(classes: int) -> Architecture:
    """Our small SegNet for CPUs and small boards (about 3 M weights, under 4 GMAC at 480x360).

    Input normalisation is EfficientNet-Lite's: (x - 127) / 128 (TensorFlow TPU repository, ``lite`` README).
    """
    architecture = Architecture("segnet-lite", classes, mean=(127.0, 127.0, 127.0), scale=1.0 / 128.0)
    sketch = _Sketch(architecture)
    sketch.conv("stem", 32, 3, stride=2, activation="relu6")
    half = sketch.inverted_residual("block0", 16, 3, expand=1)
    sketch.inverted_residual("block1", 24, 3)
    sketch.pool("pool1")
    quarter = sketch.inverted_residual("block2", 24, 3)
    sketch.inverted_residual("block3", 40, 5)
    sketch.pool("pool2")
    eighth = sketch.inverted_residual("block4", 40, 5)
    sketch.inverted_residual("block5", 80, 3)
    sketch.pool("pool3")
    for block, (channels, kernel) in enumerate([(80, 3), (80, 3), (112, 5), (112, 5), (112, 5)], start=6):
        sixteenth = sketch.inverted_residual(f"block{block}", channels, kernel)
    sketch.inverted_residual("block11", 192, 5)
    sketch.pool("pool4")
    for block in range(12, 15):
        deepest = sketch.inverted_residual(f"block{block}", 192, 5)
    sketch.mean("scene_mean")
    scene = sketch.conv("scene", 192, 1, batch_norm=False)
    sketch.add("context", deepest, scene)

    def decode(stage: int, skip: str, skip_channels: int, widths: list[int]) -> None:
        unpooled = sketch.unpool(f"upsample{stage}", f"pool{stage}")
        lateral = sketch.conv(f"lateral{stage}", skip_channels, 1, source=skip, activation="none")
        sketch.add(f"merge{stage}", unpooled, lateral)
        for index, width in enumerate(widths, start=1):
            sketch.conv(f"decode{stage}_{index}", width)

    decode(4, sixteenth, 192, [96, 80])
    decode(3, eighth, 80, [80, 40])
    decode(2, quarter, 40, [64, 24])
    decode(1, half, 24, [32, 32])
    sketch.conv("classifier", 4 * classes, 3, batch_norm=False, activation="none")
    sketch.subpixel("logits")
    return architecture


ARCHITECTURES = {"segnet": segnet, "segnet-basic": segnet_basic, "segnet-lite": segnet_lite}
