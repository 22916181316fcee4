"""``import-caffe --bn-statistics``: weights of the LEARN mode against a pass that is spelled out in NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_segnet.graph import card as cards
from edge_segnet.graph.lower import lower
from edge_segnet.pictures.files import write_image
from tests.conftest import left_in, picture
from tests.graph import literal
from tests.graph.caffe.test_layers import HEAD, say
from tests.graph.caffe.writer import caffemodel
from tests.graph.runtimes import run_onnxruntime
from tests.support.command import edge_segnet

Array = NDArray[np.float64]
WIDTH, HEIGHT, BATCH = 41, 35, 4
CONV = "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }"


def network(mode: str) -> str:
    """Two convolutions with BN around a pooling and its way back."""
    text = HEAD + say("c1", "Convolution", "data", "c1", CONV)
    text += say("b1", "BN", "c1", "c1", f"bn_param {{ {mode} }}") + say("r1", "ReLU", "c1", "c1")
    text += say("p", "Pooling", "c1", "p", 'top: "mask" pooling_param { pool: MAX kernel_size: 2 stride: 2 }')
    text += say("c2", "Convolution", "p", "c2", CONV) + say("b2", "BN", "c2", "c2", f"bn_param {{ {mode} }}")
    text += say("u", "Upsample", "c2 mask", "u", "upsample_param { scale: 2 pad_out_h: true pad_out_w: true }")
    return text + say("k", "Convolution", "u", "k", "convolution_param { num_output: 11 kernel_size: 1 }")


def weights() -> dict[str, list[NDArray[np.float32]]]:
    rng = np.random.default_rng(0)
    shapes: dict[str, list[tuple[int, ...]]] = {
        "c1": [(4, 3, 3, 3), (4,)], "b1": [(1, 4, 1, 1)] * 2, "c2": [(4, 4, 3, 3), (4,)], "b2": [(1, 4, 1, 1)] * 2,
        "k": [(11, 4, 1, 1), (11,)],
    }  # fmt: skip
    return {name: [rng.normal(0.2, 0.4, shape).astype(np.float32) for shape in both] for name, both in shapes.items()}


def convolved(x: Array, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> Array:
    """Same size, stride 1, one place of the kernel after the other."""
    pad = weight.shape[2] // 2
    wide = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    result = np.zeros((len(x), len(weight), *x.shape[2:]))
    for row in range(weight.shape[2]):
        for column in range(weight.shape[3]):
            part = wide[:, :, row : row + x.shape[2], column : column + x.shape[3]]
            result += np.einsum("nchw,oc->nohw", part, weight[:, :, row, column].astype(float))
    return np.asarray(result + bias.reshape(1, -1, 1, 1), float)


class Literal:
    """The network in NumPy. ``statistics`` of a layer: None measures the batch and remembers."""

    def __init__(self, statistics: dict[str, tuple[Array, Array]] | None = None) -> None:
        self.given, self.found = statistics, {"b1": list[tuple[Array, Array]](), "b2": list[tuple[Array, Array]]()}
        self.w = weights()

    def norm(self, name: str, x: Array) -> Array:
        scale, shift = (blob.reshape(1, -1, 1, 1).astype(float) for blob in self.w[name])
        if self.given is None:
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
            count = x.size / x.shape[1]
            self.found[name].append((mean, variance * count / (count - 1)))
        else:
            mean, variance = self.given[name]
        spread = np.sqrt(variance.reshape(1, -1, 1, 1) + 1e-9)
        return np.asarray((x - mean.reshape(1, -1, 1, 1)) / spread * scale + shift, float)

    def run(self, frames: NDArray[np.uint8]) -> Array:
        x = frames.transpose(0, 3, 1, 2).astype(float)
        first = np.maximum(self.norm("b1", convolved(x, *self.w["c1"])), 0)
        maxima, places = literal.pool(first, ceil=True)
        second = self.norm("b2", convolved(maxima, *self.w["c2"]))
        return convolved(literal.unpool(second, places, list(first.shape)), *self.w["k"])


def measured(frames: NDArray[np.uint8]) -> dict[str, tuple[Array, Array]]:
    net = Literal()
    for start in range(0, len(frames) // BATCH * BATCH, BATCH):
        net.run(frames[start : start + BATCH])
    return {
        name: tuple(np.mean(each, axis=0) for each in zip(*found, strict=True)) for name, found in net.found.items()
    }


@pytest.fixture
def files(tmp_path: Path) -> Path:
    blobs = weights()
    kinds = {name: "BN" if name.startswith("b") else "Convolution" for name in blobs}
    (tmp_path / "net.caffemodel").write_bytes(caffemodel(blobs, kinds))
    (tmp_path / "learn.prototxt").write_text(network(""))
    (tmp_path / "inference.prototxt").write_text(network("bn_mode: INFERENCE"))
    (tmp_path / "pictures").mkdir()
    for number in range(10):
        write_image(tmp_path / f"pictures/{number}.png", picture(WIDTH, HEIGHT, number))
    return tmp_path


@pytest.mark.parametrize("mode", ["learn", "inference"])
def test_the_statistics_are_those_of_a_literal_pass(files: Path, mode: str) -> None:
    net = ("--model", f"{mode}.prototxt", "--weights", "net.caffemodel", "--classes", "camvid-11", "-o", "out.onnx")
    done = edge_segnet("import-caffe", *net, "--bn-statistics", "pictures", folder=files)
    assert done.code == 0, done.err
    assert "statistics of 2 BN layers over 8 pictures of pictures" in done.err
    frames = np.stack([picture(WIDTH, HEIGHT, number) for number in range(10)])
    expected = Literal(measured(frames)).run(frames[9:])
    model = lower(cards.load(str(files / "out.onnx")).proto, "onnxruntime").model
    assert {node.op_type for node in model.graph.node}.isdisjoint({"Sqrt", "ReduceMean"})
    found = run_onnxruntime(model, frames[9:])
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4 * np.abs(expected).max())


def test_without_them_the_way_out_is_named_and_without_bn_they_are_refused(files: Path) -> None:
    net = ("--weights", "net.caffemodel", "--classes", "camvid-11", "-o", "out.onnx")
    done = edge_segnet("import-caffe", "--model", "learn.prototxt", *net, folder=files)
    assert done.code == 3 and "LEARN mode" in done.error and "--bn-statistics PICTURES" in done.error
    plain = HEAD + say("c1", "Convolution", "data", "c1", CONV)
    (files / "plain.prototxt").write_text(plain)
    done = edge_segnet("import-caffe", "--model", "plain.prototxt", *net, "--bn-statistics", "pictures", folder=files)
    assert done.code == 3 and "no BN layer" in done.error
    assert "out.onnx" not in left_in(files)
