"""One function per layer type: what it computes at test time as ONNX nodes, with Caffe's own sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from edge_segnet.graph.caffe import affine, pooling
from edge_segnet.graph.caffe.blobs import Labels, Map, Truth, check_size, pair, sizes
from edge_segnet.graph.caffe.prototxt import WITHOUT_RESULT, Layer

if TYPE_CHECKING:
    from edge_segnet.graph.caffe.net import Net

DEFAULT_SIZE: Final = (480, 360)
"""CamVid's as SegNet was trained on it; for files that leave the size to their list of pictures."""
_EXPORT: Final = "write it as layers that are known, or export the net to ONNX and use: edge-segnet convert --spec"
_NEEDED: Final = {
    "InnerProduct": "a fully connected layer fixes the picture's size; a 1x1 Convolution is the form to use",
    "Interp": "a bilinear Resize with aligned corners would have to be written",
    "Python": "only SpatialDropoutLayer is known; the formula of another one is in its Python file",
    "Reshape": "shapes would have to be followed through it",
    "MemoryData": "replace it by an Input layer with the picture's shape",
    "HDF5Data": "replace it by an Input layer with the picture's shape",
}


def check_known(layer: Layer) -> None:
    """Raises ModelError that says what an unknown layer would need."""
    if layer.kind not in HANDLERS:
        needed = _NEEDED.get(layer.kind, f"known are {', '.join(sorted(HANDLERS))}; {_EXPORT}")
        raise layer.error("has a type that can't be imported", hint=needed)


def _input(net: Net, layer: Layer) -> None:
    shapes = layer.settings.input_param.shape
    shape = tuple(shapes[0].dim) if shapes else ()
    if len(shape) != 4:
        raise layer.error(f"has the shape {list(shape)}", hint="give four: 1, 3, height, width")
    net.put(layer, net.picture(shape, layer.where))


def _data(net: Net, layer: Layer) -> None:
    """A reader of pictures and labels: becomes the input. OpenCV reads BGR 0..255; transform_param changes it."""
    field = {"DenseImageData": "dense_image_data_param", "ImageData": "image_data_param"}.get(layer.kind, "data_param")
    given, transform = getattr(layer.settings, field), layer.settings.transform_param
    if not getattr(given, "is_color", True) or transform.force_gray:
        raise layer.error("reads grey pictures", hint="colour pictures (BGR) are needed")
    if given.mean_file or transform.mean_file:
        raise layer.error("subtracts a mean picture from a file", hint="give its mean_value for each channel instead")
    if len(transform.mean_value) not in (0, 1, 3):
        raise layer.error(f"has {len(transform.mean_value)} mean values", hint="one, or three in BGR order")
    side = transform.crop_size or getattr(given, "crop_size", 0)
    size = (side, side) if side else (getattr(given, "new_width", 0), getattr(given, "new_height", 0))
    if not all(size):
        size = DEFAULT_SIZE
        if net.size is None:
            net.notes.append(f"the file names no picture size: {size[0]}x{size[1]}, as SegNet's (--size changes it)")
    mean = tuple(transform.mean_value) or (0.0,)
    shape = (1, 3, size[1], size[0])
    scale = transform.scale * getattr(given, "scale", 1.0)
    picture = net.picture(shape, layer.where, mean=mean * 3 if len(mean) == 1 else mean, scale=scale)
    net.put(layer, picture)
    for index in range(1, len(layer.tops)):
        net.put(layer, Truth(), index)
    net.ignored.append(f"{layer.name} ({layer.kind}): became the input; its labels are not needed")


def _convolution(net: Net, layer: Layer) -> None:
    given, source = layer.settings.convolution_param, net.map(layer)
    transposed = layer.kind == "Deconvolution"
    channels, groups, outputs = source.shape[0], given.group, given.num_output
    kernel, stride = pair(given, "kernel_size", 0), pair(given, "stride", 1)
    pad, dilation = pair(given, "pad", 0), pair(given, "dilation", 1)
    if not outputs or min(*kernel, *stride, *dilation, groups) < 1 or len(layer.bottoms) != 1 or given.axis != 1:
        raise layer.error("needs num_output, kernel_size and one bottom", hint="strides and groups are 1 or more")
    if channels % groups or outputs % groups:
        raise layer.error(f"splits {channels} -> {outputs} channels into {groups} groups", hint="they must divide")
    shape = (channels, outputs // groups, *kernel) if transposed else (outputs, channels // groups, *kernel)
    blobs = net.blobs(layer, shape, *([(outputs,)] if given.bias_term else []))
    name = net.free(layer.name)
    net.constants[f"{name}.weight"] = blobs[0]
    net.constants[f"{name}.bias"] = blobs[1] if given.bias_term else np.zeros(outputs, np.float32)
    size = []
    for side, k, s, p, d in zip(source.shape[1:], kernel, stride, pad, dilation, strict=True):
        reach = d * (k - 1) + 1
        size.append(s * (side - 1) + reach - 2 * p if transposed else (side + 2 * p - reach) // s + 1)
    result = (outputs, size[0], size[1])
    check_size(layer, result)
    net.node(
        "ConvTranspose" if transposed else "Conv",
        [source.tensor, f"{name}.weight", f"{name}.bias"],
        name,
        kernel_shape=list(kernel),
        strides=list(stride),
        pads=[*pad, *pad],
        dilations=list(dilation),
        group=groups,
    )
    if transposed:
        net.groups[name] = groups
    net.put(layer, Map(name, result, conv=name))


def _relu(net: Net, layer: Layer) -> None:
    source, slope = net.map(layer), layer.settings.relu_param.negative_slope
    if slope:
        result = net.node("LeakyRelu", [source.tensor], layer.name, alpha=slope)
    else:
        result = net.node("Relu", [source.tensor], layer.name)
    net.put(layer, source.becomes(result))


def _prelu(net: Net, layer: Layer) -> None:
    source = net.map(layer)
    count = 1 if layer.settings.prelu_param.channel_shared else source.shape[0]
    (slope,) = net.blobs(layer, (count,))
    slopes = np.broadcast_to(slope.reshape(-1, 1, 1), (source.shape[0], 1, 1))
    result = net.node("PRelu", [source.tensor, net.constant(f"{layer.name}.slope", slopes)], layer.name)
    net.put(layer, source.becomes(result))


def _lrn(net: Net, layer: Layer) -> None:
    """Across channels only: x / (k + alpha/n * sum of squares)^beta, which is ONNX's LRN."""
    given, source = layer.settings.lrn_param, net.map(layer)
    if given.norm_region != 0 or given.local_size % 2 == 0:
        raise layer.error("normalises within channels, or over an even number of them", hint="ACROSS_CHANNELS is known")
    settings = {"size": given.local_size, "alpha": given.alpha, "beta": given.beta, "bias": given.k}
    net.put(layer, source.becomes(net.node("LRN", [source.tensor], layer.name, **settings)))


def _identity(net: Net, layer: Layer) -> None:
    """Dropout at test time: Caffe scales while it trains, so nothing is left to do."""
    source = net.map(layer)
    if layer.kind == "Python":
        given = layer.settings.python_param
        if given.layer != "SpatialDropoutLayer":
            raise layer.error(f"runs {given.module}.{given.layer}", hint=_NEEDED["Python"])
    if layer.kind == "Dropout" and layer.settings.dropout_param.sample_weights_test:
        note = "Bayesian net: dropout at test time is left out, so it is its plain net (one pass, no uncertainty)"
        if note not in net.notes:
            net.notes.append(note)
    if layer.kind != "Split":
        net.ignored.append(f"{layer.name} ({layer.kind}): identity at test time")
    for index in range(len(layer.tops)):
        net.put(layer, replace(source, conv=source.conv if source.readers == 1 else None), index)


def _eltwise(net: Net, layer: Layer) -> None:
    given = layer.settings.eltwise_param
    maps = [net.map(layer, index) for index in range(len(layer.bottoms))]
    if len(maps) < 2 or len({value.shape for value in maps}) != 1:
        raise layer.error(
            f"joins maps of {sizes(maps)}", hint="they must be equal: sizes that are a multiple of 8 may help"
        )
    if len(given.coeff) not in (0, len(maps)):
        raise layer.error(f"has {len(given.coeff)} coefficients for {len(maps)} maps")
    tensors = [value.tensor for value in maps]
    for index, factor in enumerate(given.coeff):
        if factor != 1.0 and given.operation == 1:
            constant = net.constant(f"{layer.name}.coeff", np.array(factor, np.float32))
            tensors[index] = net.node("Mul", [tensors[index], constant], f"{layer.name}.{index}")
    operator = {0: "Mul", 1: "Add", 2: "Max"}[given.operation]
    result = tensors[0]
    for index, other in enumerate(tensors[1:], start=2):
        name = layer.name if index == len(tensors) else f"{layer.name}.{index}"
        result = net.node(operator, [result, other], name)
    net.put(layer, maps[0].becomes(result))


def _concat(net: Net, layer: Layer) -> None:
    given = layer.settings.concat_param
    maps = [net.map(layer, index) for index in range(len(layer.bottoms))]
    if given.axis != 1 or given.concat_dim != 1 or not maps or len({value.shape[1:] for value in maps}) != 1:
        raise layer.error(f"joins {sizes(maps)} along axis {given.axis}", hint="maps of one size, along the channels")
    result = net.node("Concat", [value.tensor for value in maps], layer.name, axis=1)
    shape = (sum(value.shape[0] for value in maps), *maps[0].shape[1:])
    check_size(layer, shape)
    net.put(layer, maps[0].becomes(result, shape))


def _crop(net: Net, layer: Layer) -> None:
    """Cuts the first map to the size of the second."""
    given, source, like = layer.settings.crop_param, net.map(layer, 0), net.map(layer, 1)
    offsets = [*given.offset] or [0]
    top, left = int(offsets[0]), int(offsets[-1])
    _, height, width = like.shape
    if given.axis != 2 or top + height > source.shape[1] or left + width > source.shape[2]:
        what = f"cuts {width}x{height} at {left},{top} from {source.shape[2]}x{source.shape[1]} along axis {given.axis}"
        raise layer.error(what, hint="axis: 2 (rows and columns), inside the map")
    vectors = {"starts": (top, left), "ends": (top + height, left + width), "axes": (2, 3)}
    inputs = [net.constant(f"{layer.name}.{key}", np.array(value, np.int64)) for key, value in vectors.items()]
    result = net.node("Slice", [source.tensor, *inputs], layer.name)
    net.put(layer, source.becomes(result, (source.shape[0], height, width)))


def _softmax(net: Net, layer: Layer) -> None:
    source = net.map(layer)
    if layer.settings.softmax_param.axis != 1:
        raise layer.error(f"normalises along axis {layer.settings.softmax_param.axis}", hint="classes are axis 1")
    if not net.is_read(0):
        net.ignored.append(f"{layer.name} (Softmax): the last layer; it does not change which class wins")
    result = net.node("Softmax", [source.tensor], layer.name, axis=1)
    net.put(layer, Map(result, source.shape, scores=source))


def _argmax(net: Net, layer: Layer) -> None:
    given = layer.settings.argmax_param
    if given.axis != 1 or given.top_k != 1 or given.out_max_val:
        raise layer.error("is not the best class of each pixel", hint="only axis: 1 with top_k: 1 is")
    net.ignored.append(f"{layer.name} (ArgMax): every backend ends in one of its own")
    net.put(layer, Labels(net.map(layer)))


def _nothing(net: Net, layer: Layer) -> None:
    net.ignored.append(f"{layer.name} ({layer.kind}): needs ground truth, which is not there when a network is used")


HANDLERS: dict[str, Callable[[Net, Layer], None]] = {
    "Input": _input,
    "DenseImageData": _data,
    "Data": _data,
    "ImageData": _data,
    "Convolution": _convolution,
    "Deconvolution": _convolution,
    "BN": affine.bn,
    "BatchNorm": affine.batch_norm,
    "Scale": affine.scale,
    "Pooling": pooling.pooling,
    "Upsample": pooling.upsample,
    "ReLU": _relu,
    "PReLU": _prelu,
    "LRN": _lrn,
    "Dropout": _identity,
    "Python": _identity,
    "Split": _identity,
    "Eltwise": _eltwise,
    "Concat": _concat,
    "Crop": _crop,
    "Softmax": _softmax,
    "ArgMax": _argmax,
    **dict.fromkeys(WITHOUT_RESULT, _nothing),
}
