"""An ``Architecture`` as a torch module, and its weights in and out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_segnet.graph import segnet


class SegNet(nn.Module):
    """Runs the layer list of an ``Architecture`` on preprocessed pictures, float [N,3,H,W], to logits [N,C,H,W]."""

    def __init__(self, architecture: segnet.Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.blocks = nn.ModuleDict({conv.name: Block(conv) for conv in architecture.convolutions})

    def block(self, name: str) -> Block:
        """The convolution of a layer, with its BatchNorm."""
        block = self.blocks[name]
        assert isinstance(block, Block)
        return block

    @property
    def encoder_names(self) -> set[str]:
        """Convolutions before the first unpooling: the part that pretrained weights fill."""
        layers = self.architecture.layers
        first = next((i for i, layer in enumerate(layers) if isinstance(layer, segnet.Unpool)), len(layers))
        return {layer.name for layer in layers[:first] if isinstance(layer, segnet.Conv)} - {"scene"}

    def forward(self, image: Tensor) -> Tensor:
        maps: dict[str, Tensor] = {segnet.INPUT: image}
        indices: dict[str, tuple[Tensor, torch.Size]] = {}
        for layer in self.architecture.layers:
            match layer:
                case segnet.Conv():
                    out = self._convolve(layer, maps[layer.source])
                case segnet.Pool():
                    source = maps[layer.source]
                    out, where = F.max_pool2d(source, 2, 2, ceil_mode=True, return_indices=True)
                    indices[layer.name] = (where, source.shape[2:])
                case segnet.Unpool():
                    where, size = indices[layer.pool]
                    out = F.max_unpool2d(maps[layer.source], where, [2, 2], [2, 2], output_size=size)
                case segnet.Add():
                    out = maps[layer.left] + maps[layer.right]
                case segnet.LocalResponseNorm():
                    out = F.local_response_norm(maps[layer.source], layer.size, layer.alpha, layer.beta, k=1.0)
                case segnet.GlobalMean():
                    out = maps[layer.source].mean(dim=(2, 3), keepdim=True)
                case segnet.SubPixel():
                    height, width = image.shape[2:]
                    out = F.pixel_shuffle(maps[layer.source], 2)[:, :, :height, :width]
            maps[layer.name] = out
        return maps[self.architecture.layers[-1].name]

    def _convolve(self, layer: segnet.Conv, image: Tensor) -> Tensor:
        block = self.block(layer.name)
        if layer.groups > 1 and layer.kernel > 3 and not image.is_cuda:
            # On a CPU the bfloat16 gradient of a 5x5 depthwise convolution is five times slower than the float32 one.
            with torch.autocast("cpu", enabled=False):
                return block.forward(image.float())
        return block.forward(image)


def normalise(image: Tensor, architecture: segnet.Architecture) -> Tensor:
    """BGR 0..255, float [N,3,H,W] -> what the first layer sees."""
    mean = torch.tensor(architecture.mean, device=image.device).reshape(1, 3, 1, 1)
    return (image - mean) * architecture.scale


class Block(nn.Module):
    """Convolution, BatchNorm where the layer has one, activation."""

    def __init__(self, layer: segnet.Conv) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel,
            layer.stride,
            layer.kernel // 2,
            groups=layer.groups,
            bias=not layer.batch_norm,
        )
        self.norm = nn.BatchNorm2d(layer.out_channels) if layer.batch_norm else None
        self._activation = layer.activation

    def forward(self, image: Tensor) -> Tensor:
        out: Tensor = self.conv(image)
        if self.norm is not None:
            out = self.norm(out)
        match self._activation:
            case "relu":
                return F.relu(out)
            case "relu6":
                return F.relu6(out)
        return out
