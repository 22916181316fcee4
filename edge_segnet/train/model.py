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
        self.convs = nn.ModuleDict({conv.name: _convolution(conv) for conv in architecture.convolutions})

    def forward(self, image: Tensor) -> Tensor:
        maps: dict[str, Tensor] = {segnet.INPUT: image}
        indices: dict[str, tuple[Tensor, torch.Size]] = {}
        for layer in self.architecture.layers:
            match layer:
                case segnet.Conv():
                    out = self.convs[layer.name](maps[layer.source])
                case segnet.Pool():
                    source = maps[layer.source]
                    out, where = F.max_pool2d(source, 2, 2, ceil_mode=True, return_indices=True)
                    indices[layer.name] = (where, source.shape[2:])
                case segnet.Unpool():
                    where, size = indices[layer.pool]
                    out = F.max_unpool2d(maps[layer.source], where, 2, 2, output_size=size)
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


def _convolution(conv: segnet.Conv) -> nn.Sequential:
    parts: list[nn.Module] = [
        nn.Conv2d(
            conv.in_channels,
            conv.out_channels,
            conv.kernel,
            conv.stride,
            conv.kernel // 2,
            groups=conv.groups,
            bias=not conv.batch_norm,
        )
    ]
    if conv.batch_norm:
        parts.append(nn.BatchNorm2d(conv.out_channels))
    if conv.activation != "none":
        parts.append(nn.ReLU6() if conv.activation == "relu6" else nn.ReLU())
    return nn.Sequential(*parts)
