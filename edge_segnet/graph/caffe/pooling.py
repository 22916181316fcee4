"""Pooling and its way back, with Caffe's sizes: ceil mode, windows clipped at the border, the first maximum wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_segnet.graph.caffe.blobs import Map, Mask, check_size, pair
from edge_segnet.graph.caffe.prototxt import Layer

if TYPE_CHECKING:
    from edge_segnet.graph.caffe.net import Net

_MAX, _AVERAGE = 0, 1
"""``PoolingParameter.PoolMethod`` of caffe.proto."""
_NAMES: Final = {_MAX: "Max", _AVERAGE: "Average"}


def pooling(net: Net, layer: Layer) -> None:
    """ONNX's ceil_mode has Caffe's sizes as long as every window starts inside the map, which is checked."""
    given, source = layer.settings.pooling_param, net.map(layer)
    if given.pool not in _NAMES:
        raise layer.error("draws at random", hint="MAX and AVE can be imported")
    if given.global_pooling:
        result = net.node(f"Global{_NAMES[given.pool]}Pool", [source.tensor], layer.name)
        net.put(layer, source.becomes(result, (source.shape[0], 1, 1)))
        return
    kernel, stride, pad = pair(given, "kernel_size", 0), pair(given, "stride", 1), pair(given, "pad", 0)
    if min(*kernel, *stride) < 1:
        raise layer.error("has no kernel_size or stride")
    size = [-(-(side + 2 * p - k) // s) + 1 for side, k, s, p in _sides(source, kernel, stride, pad)]
    starts_inside = all(
        (count - 1) * s < side + p and p < k
        for count, (side, k, s, p) in zip(size, _sides(source, kernel, stride, pad), strict=True)
    )
    if not starts_inside or (given.pool == _AVERAGE and any(pad)):
        raise layer.error(
            f"pools {source.shape[2]}x{source.shape[1]} with kernel {list(kernel)}, stride {list(stride)} and pad "
            f"{list(pad)}, which ONNX counts differently",
            hint="AVE without padding, MAX with windows that start inside the map",
        )
    shape = (source.shape[0], size[0], size[1])
    check_size(layer, shape)
    keeps = len(layer.tops) > 1 and net.is_read(1)
    if keeps and (given.pool, kernel, stride, pad) != (_MAX, (2, 2), (2, 2), (0, 0)):
        raise layer.error("keeps a mask of other windows than 2x2", hint="only those can be undone exactly everywhere")
    settings: dict[str, Any] = {
        "kernel_shape": list(kernel),
        "strides": list(stride),
        "pads": [*pad, *pad],
        "ceil_mode": 1,
    }
    result = net.node(f"{_NAMES[given.pool]}Pool", [source.tensor], layer.name, 2 if keeps else 1, **settings)
    net.put(layer, source.becomes(result, shape))
    if len(layer.tops) > 1:
        net.put(layer, Mask(net.nodes[-1].output[-1] if keeps else "", source.shape, shape), 1)


def _sides(
    source: Map, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int]
) -> list[tuple[int, int, int, int]]:
    return list(zip(source.shape[1:], kernel, stride, pad, strict=True))


def upsample(net: Net, layer: Layer) -> None:
    """Every value back to where its maximum stood. The sizes in the file (``upsample_h``, ``pad_out_h``) hold for one
    input size only; the map before the paired pooling has the right one for all.
    """
    source, mask = net.map(layer, 0), net.value(layer, 1)
    if not isinstance(mask, Mask):
        raise layer.error(f"reads '{layer.bottoms[1]}' as mask", hint="it must be the second top of a Pooling")
    if source.shape != mask.pooled:
        shapes = ["x".join(map(str, shape)) for shape in (source.shape, mask.pooled)]
        raise layer.error(f"puts {shapes[0]} values by a mask of {shapes[1]}", hint="they must be equal")
    shape = net.constant(f"{layer.name}.shape", np.array([net.batch, *mask.source], np.int64))
    inputs = [source.tensor, mask.indices, shape]
    result = net.node("MaxUnpool", inputs, layer.name, kernel_shape=[2, 2], strides=[2, 2])
    net.put(layer, source.becomes(result, mask.source))
