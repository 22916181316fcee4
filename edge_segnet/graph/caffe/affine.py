"""BN, BatchNorm and Scale: y = x * factor + shift per channel, folded into the convolution before them if there is one.

The products are formed in float64 and rounded once, so folding costs half a unit in the last place of each weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.graph.caffe.prototxt import Layer
from edge_segnet.graph.caffe.weights import Blob

if TYPE_CHECKING:
    from edge_segnet.graph.caffe.net import Net

Vector = NDArray[np.float64]
_EPS: Final = 1e-9
"""The fork's own, in its layer and in its script."""


def bn(net: Net, layer: Layer) -> None:
    """The fork's own layer: scale and shift, nothing else, once the statistics are in them (INFERENCE).

    In LEARN mode y = (x - mean) / sqrt(variance + 1e-9) * scale + shift, with the batch's own statistics; afterwards
    those of the training pictures take their place (SegNet-Tutorial, ``compute_bn_statistics.py``).
    """
    channels = net.map(layer).shape[0]
    how = net.normalisation
    eps = layer.settings.bn_param.bn_eps or _EPS
    if how.batch:
        _normalise(net, layer, net.blobs(layer, (channels,), (channels,)), eps)
        return
    if how.known is None and layer.settings.bn_param.bn_mode == 0:
        raise layer.error(
            "is in LEARN mode: its scale and shift still lack the statistics of the training pictures",
            hint="give some of them: --bn-statistics PICTURES; or use the inference prototxt, and the weights that the "
            "tutorial's compute_bn_statistics.py writes",
        )
    factor, shift = (blob.astype(np.float64) for blob in net.blobs(layer, (channels,), (channels,)))
    if how.known is not None:
        mean, variance = how.known[layer.name]
        factor = factor / np.sqrt(variance + eps)
        shift = shift - mean * factor
    _apply(net, layer, factor, shift)


def _normalise(net: Net, layer: Layer, blobs: list[Blob], eps: float) -> None:
    """By the batch's own mean and variance. Both become results of the graph, the variance times m / (m - 1), where m
    is how many numbers of the batch each channel has.
    """
    source, name = net.map(layer), layer.name
    mean = net.node("ReduceMean", [source.tensor], f"{name}.batch_mean", axes=[0, 2, 3], keepdims=1)
    centred = net.node("Sub", [source.tensor, mean], f"{name}.centred")
    square = net.node("Mul", [centred, centred], f"{name}.square")
    variance = net.node("ReduceMean", [square], f"{name}.batch_variance", axes=[0, 2, 3], keepdims=1)
    raised = net.node("Add", [variance, net.constant(f"{name}.eps", np.array(eps, np.float32))], f"{name}.raised")
    deviation = net.node("Sqrt", [raised], f"{name}.deviation")
    value = net.node("Div", [centred, deviation], f"{name}.normalised")
    for operator, blob, what in zip(("Mul", "Add"), blobs, ("factor", "shift"), strict=True):
        constant = net.constant(f"{name}.{what}", blob.reshape(1, -1, 1, 1))
        value = net.node(operator, [value, constant], f"{name}.{operator.lower()}")
    count = net.batch * source.shape[1] * source.shape[2]
    ratio = net.constant(f"{name}.ratio", np.array(count / (count - 1), np.float32))
    variance = net.node("Mul", [variance, ratio], f"{name}.unbiased")
    line = net.constant(f"{name}.line", np.array([-1], np.int64))
    found = [net.node("Reshape", [each, line], f"{each}.flat") for each in (mean, variance)]
    net.normalisation.measured[name] = found[0], found[1]
    net.put(layer, source.becomes(value))


def batch_norm(net: Net, layer: Layer) -> None:
    """BVLC's: (x - mean/n) / sqrt(variance/n + eps), with n as the third blob."""
    given = layer.settings.batch_norm_param
    if given.HasField("use_global_stats") and not given.use_global_stats:
        raise layer.error("normalises by each picture's own statistics", hint="set use_global_stats: true")
    channels = net.map(layer).shape[0]
    mean, variance, count = net.blobs(layer, (channels,), (channels,), (1,))
    part = 0.0 if count[0] == 0 else 1.0 / float(count[0])
    spread = variance.astype(np.float64) * part + given.eps
    if (spread <= 0).any():
        raise layer.error(f"has a variance of {spread.min():g}", hint="the weights are damaged")
    factor = 1.0 / np.sqrt(spread)
    _apply(net, layer, factor, -mean.astype(np.float64) * part * factor)


def scale(net: Net, layer: Layer) -> None:
    """Factor and, if asked for, shift per channel."""
    given = layer.settings.scale_param
    if len(layer.bottoms) != 1 or given.axis != 1 or given.num_axes != 1:
        raise layer.error("scales something else than channels", hint="only axis: 1, num_axes: 1 is understood")
    channels = net.map(layer).shape[0]
    blobs = net.blobs(layer, *[(channels,)] * (2 if given.bias_term else 1))
    shift = blobs[1].astype(np.float64) if given.bias_term else np.zeros(channels)
    _apply(net, layer, blobs[0].astype(np.float64), shift)


def _apply(net: Net, layer: Layer, factor: Vector, shift: Vector) -> None:
    source = net.map(layer)
    if source.conv is None or source.readers != 1:
        shape = (1, -1, 1, 1)
        parts = [vector.astype(np.float32).reshape(shape) for vector in (factor, shift)]
        product = net.node("Mul", [source.tensor, net.constant(f"{layer.name}.factor", parts[0])], f"{layer.name}.mul")
        result = net.node("Add", [product, net.constant(f"{layer.name}.shift", parts[1])], layer.name)
        net.put(layer, source.becomes(result))
        return
    weight, bias = f"{source.conv}.weight", f"{source.conv}.bias"
    kernel = net.constants[weight].astype(np.float64)
    groups = net.groups.get(source.conv)
    if groups is None:
        kernel *= factor.reshape(-1, 1, 1, 1)  # [O, I/groups, h, w]
    else:
        split = kernel.reshape(groups, -1, *kernel.shape[1:])  # [groups, I/groups, O/groups, h, w]
        kernel = (split * factor.reshape(groups, 1, -1, 1, 1)).reshape(kernel.shape)
    net.constants[weight] = kernel.astype(np.float32)
    net.constants[bias] = (net.constants[bias] * factor + shift).astype(np.float32)
    net.folded.append(layer.name)
    net.put(layer, source)
