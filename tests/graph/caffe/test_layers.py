"""Layers and spellings that the public layouts don't have: each small net against a literal computation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_segnet.graph.caffe import Imported, import_caffe
from edge_segnet.graph.lower import lower
from tests.graph.caffe import fork
from tests.graph.caffe.nets import picture
from tests.graph.caffe.writer import Array, caffemodel
from tests.graph.runtimes import run_onnxruntime

SIZE = (41, 35)
HEAD = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 35 input_dim: 41\n'


def say(name: str, kind: str, reads: str, top: str, settings: str = "") -> str:
    """A layer of a prototxt, on a line of its own."""
    bottoms = "".join(f'bottom: "{blob}" ' for blob in reads.split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms}top: "{top}" {settings} }}\n'


CONV = say("c", "Convolution", "data", "c", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }")
RNG = np.random.default_rng(0)
W, B = RNG.normal(0, 0.01, (4, 3, 3, 3)).astype(np.float32), RNG.normal(0, 1, 4).astype(np.float32)


def bring(folder: Path, text: str, weights: dict[str, list[Array]], *, legacy: bool = False) -> Imported:
    """Import a net from its text and weights."""
    (folder / "n.prototxt").write_text(text, encoding="utf-8")
    (folder / "n.caffemodel").write_bytes(caffemodel(weights, dict.fromkeys(weights, ""), legacy=legacy))
    return import_caffe(folder / "n.prototxt", folder / "n.caffemodel")


def scores(imported: Imported, seed: int = 0) -> Array:
    """Logits [C,H,W] of the picture of that seed."""
    frame = picture(imported.size, seed)[None]
    return np.asarray(run_onnxruntime(lower(imported.model, "onnxruntime").model, frame)[0])


def data(seed: int = 0) -> Array:
    """The same picture as the network's float input."""
    return np.asarray(picture(SIZE, seed).transpose(2, 0, 1), np.float32)


def conv(x: Array) -> Array:
    return fork.convolve(x, [W, B], 1, 1, 1)


def test_batch_norm_and_scale_fold_into_their_convolution(tmp_path: Path) -> None:
    text = HEAD + CONV
    text += say("n", "BatchNorm", "c", "c", "batch_norm_param { eps: 0.001 }")
    text += say("s", "Scale", "c", "c", "scale_param { bias_term: true }")
    mean, variance, count = RNG.normal(0, 9, 4), RNG.uniform(1, 9, 4), np.array([3.0])
    factor, shift = RNG.normal(1, 0.3, 4), RNG.normal(0, 1, 4)
    imported = bring(tmp_path, text, {"c": [W, B], "n": [mean, variance, count], "s": [factor, shift]})
    column = (slice(None), None, None)
    wanted = (conv(data()) - (mean / 3)[column]) / np.sqrt(variance / 3 + 0.001)[column] * factor[column] + shift[
        column
    ]
    assert imported.folded == ["n", "s"]
    np.testing.assert_allclose(scores(imported), wanted, rtol=1e-4, atol=1e-4)


def test_bn_of_a_map_that_others_read_too_stays_a_node_of_its_own(tmp_path: Path) -> None:
    text = HEAD + CONV + say("b", "BN", "c", "b", "bn_param { bn_mode: INFERENCE }")
    text += say("e", "Eltwise", "c b", "e", "eltwise_param { coeff: 2 coeff: -1 }")
    factor, shift = RNG.normal(1, 0.3, 4).astype(np.float32), RNG.normal(0, 1, 4).astype(np.float32)
    imported = bring(tmp_path, text, {"c": [W, B], "b": [factor, shift]})
    x = conv(data())
    assert imported.folded == []
    wanted = 2 * x - (x * factor[:, None, None] + shift[:, None, None])
    np.testing.assert_allclose(scores(imported), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("operation", "wanted"), [("PROD", np.multiply), ("MAX", np.maximum), ("SUM", np.add)])
def test_eltwise(operation: str, wanted: np.ufunc, tmp_path: Path) -> None:
    text = HEAD + CONV + CONV.replace('"c"', '"d"')
    text += say("e", "Eltwise", "c d", "e", f"eltwise_param {{ operation: {operation} }}")
    imported = bring(tmp_path, text, {"c": [W, B], "d": [W[::-1], B]})
    other = fork.convolve(data(), [W[::-1], B], 1, 1, 1)
    np.testing.assert_allclose(scores(imported), wanted(conv(data()), other), rtol=1e-4, atol=1e-3)


def test_grouped_strided_dilated_and_transposed_convolutions_with_folding(tmp_path: Path) -> None:
    """Down by two in two groups, back up by a transposed convolution in two groups, BN folded into both."""
    size = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 36 input_dim: 40\n'
    first = say("a", "Convolution", "data", "a", "convolution_param { num_output: 4 kernel_size: 1 }")
    groups = (
        "convolution_param { num_output: 6 group: 2 kernel_h: 3 kernel_w: 5 pad_h: 2 pad_w: 4 stride_h: 2 stride_w: 2 "
    )
    down = say("g", "Convolution", "a", "g", groups + "dilation: 2 bias_term: false }")
    back = "convolution_param { num_output: 4 group: 2 kernel_size: 4 stride: 2 pad: 1 }"
    up = say("u", "Deconvolution", "g", "u", back)
    norm = {name: say(f"{name}n", "BN", name, name, "bn_param { bn_mode: INFERENCE }") for name in "gu"}
    small = np.random.default_rng(2)
    weights = {
        "a": [small.normal(0, 0.01, (4, 3, 1, 1)), small.normal(0, 1, 4)],
        "g": [small.normal(0, 0.3, (6, 2, 3, 5))],
        "gn": [small.normal(1, 0.3, 6), small.normal(0, 1, 6)],
        "u": [small.normal(0, 0.3, (6, 2, 4, 4)), small.normal(0, 1, 4)],
        "un": [small.normal(1, 0.3, 4), small.normal(0, 1, 4)],
    }
    imported = bring(tmp_path, size + first + down + norm["g"] + up + norm["u"], weights)
    assert imported.folded == ["gn", "un"]
    x = picture((40, 36)).transpose(2, 0, 1).astype(np.float64)
    x = np.einsum("oi,ihw->ohw", weights["a"][0][:, :, 0, 0], x) + weights["a"][1][:, None, None]
    x = np.concatenate([_literal_conv(x[2 * g : 2 * g + 2], weights["g"][0][3 * g : 3 * g + 3]) for g in (0, 1)])
    x = x * weights["gn"][0][:, None, None] + weights["gn"][1][:, None, None]
    x = np.concatenate([_literal_deconv(x[3 * g : 3 * g + 3], weights["u"][0][3 * g : 3 * g + 3]) for g in (0, 1)])
    x = (x + weights["u"][1][:, None, None]) * weights["un"][0][:, None, None] + weights["un"][1][:, None, None]
    np.testing.assert_allclose(scores(imported), x, rtol=1e-3, atol=1e-3)


def _literal_conv(x: Array, weight: Array) -> Array:
    """Kernel 3x5, stride 2, dilation 2, pad 2 and 4: sum by sum."""
    padded = np.pad(x, ((0, 0), (2, 2), (4, 4)))
    height, width = (padded.shape[1] - 5) // 2 + 1, (padded.shape[2] - 9) // 2 + 1
    result = np.zeros((len(weight), height, width))
    for i in range(height):
        for j in range(width):
            result[:, i, j] = np.einsum("oihw,ihw->o", weight, padded[:, 2 * i : 2 * i + 5 : 2, 2 * j : 2 * j + 9 : 2])
    return result


def _literal_deconv(x: Array, weight: Array) -> Array:
    """Kernel 4, stride 2, pad 1."""
    _, height, width = x.shape
    full = np.zeros((weight.shape[1], 2 * height + 2, 2 * width + 2))
    for i in range(height):
        for j in range(width):
            full[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += np.einsum("i,iohw->ohw", x[:, i, j], weight)
    return full[:, 1:-1, 1:-1]


def test_the_old_spelling_gives_the_same_graph(tmp_path: Path) -> None:
    new = HEAD + CONV + say("r", "ReLU", "c", "c", "relu_param { negative_slope: 0.1 }")
    old = new.replace("layer {", "layers {").replace('"Convolution"', "CONVOLUTION").replace('"ReLU"', "RELU")
    old = old.replace("convolution_param", "blobs_lr: 1 blobs_lr: 2 weight_decay: 1 convolution_param")
    before = bring(tmp_path, old, {"c": [W, B]}, legacy=True)
    after = bring(tmp_path, new, {"c": [W, B]})
    assert before.layers == after.layers
    np.testing.assert_array_equal(scores(before), scores(after))
    wanted = conv(data())
    np.testing.assert_allclose(scores(after), np.where(wanted > 0, wanted, 0.1 * wanted), rtol=1e-4, atol=1e-3)


def test_training_layers_and_losses_are_left_out(tmp_path: Path) -> None:
    train = 'top: "label" include { phase: TRAIN } dense_image_data_param { batch_size: 8 }'
    transform = "transform_param { mean_value: 100 mean_value: 110 mean_value: 120 scale: 0.5 }"
    test = (
        f'top: "label" include {{ phase: TEST }} {transform} dense_image_data_param {{ new_height: 35 new_width: 41 }}'
    )
    text = say("t", "DenseImageData", "", "data", train) + say("v", "DenseImageData", "", "data", test)
    text += CONV + say("l", "SoftmaxWithLoss", "c label", "loss")
    text += say("a", "Accuracy", "c label", "acc", "exclude { phase: TRAIN }")
    imported = bring(tmp_path, text, {"c": [W, B]})
    assert imported.size == SIZE and imported.layers["DenseImageData"] == 1
    wanted = conv((data() - np.array([100, 110, 120], np.float32)[:, None, None]) * np.float32(0.5))
    np.testing.assert_allclose(scores(imported), wanted, rtol=1e-4, atol=1e-3)


def test_average_and_overlapping_pooling_and_crop(tmp_path: Path) -> None:
    text = HEAD + CONV + say("p", "Pooling", "c", "p", "pooling_param { pool: AVE kernel_size: 3 stride: 2 }")
    text += say("q", "Pooling", "c", "q", "pooling_param { kernel_size: 3 stride: 2 }")
    text += say("j", "Concat", "p q", "j")
    text += say("u", "Deconvolution", "j", "u", "convolution_param { num_output: 2 kernel_size: 4 stride: 2 }")
    text += say("k", "Crop", "u c", "k", "crop_param { axis: 2 offset: 1 offset: 0 }")
    up, bias = RNG.normal(0, 0.1, (8, 2, 4, 4)).astype(np.float32), np.array([0.5, -1], np.float32)
    imported = bring(tmp_path, text, {"c": [W, B], "u": [up, bias]})
    x = conv(data())
    rows, columns = range(0, 35, 2), range(0, 41, 2)
    windows = [[x[:, i : i + 3, j : j + 3] for j in columns[:-1]] for i in rows[:-1]]
    pooled = [np.array([[f(w, (1, 2)) for w in row] for row in windows]).transpose(2, 0, 1) for f in (np.mean, np.max)]
    wanted = fork.transposed(np.concatenate(pooled), [up, bias], 2)[:, 1:36, :41]
    np.testing.assert_allclose(scores(imported), wanted, rtol=1e-3, atol=1e-3)


def test_prelu_with_one_slope_and_blobs_by_top_not_by_name(tmp_path: Path) -> None:
    text = HEAD + CONV.replace('top: "c"', 'top: "maps"')
    text += say("p", "PReLU", "maps", "maps", "prelu_param { channel_shared: true }")
    text += say("prob", "Softmax", "maps", "softmax")
    imported = bring(tmp_path, text, {"c": [W, B], "p": [np.array([0.25])]})
    wanted = conv(data())
    np.testing.assert_allclose(scores(imported), np.where(wanted > 0, wanted, 0.25 * wanted), rtol=1e-4, atol=1e-3)
