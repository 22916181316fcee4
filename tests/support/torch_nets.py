"""SegNets as people write them in torch, and ENet's layers; random weights. Only tests that skip without torch import
this.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class SegNet(nn.Module):
    """Two poolings and their way back. ``windows``: kernel and padding of both."""

    def __init__(self, classes: int, windows: tuple[int, int] = (2, 0), ceil: bool = False) -> None:
        super().__init__()
        kernel, padding = windows
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.third, self.last = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, classes, 3, padding=1)
        self.pool = nn.MaxPool2d(kernel, 2, padding, return_indices=True, ceil_mode=ceil)
        self.unpool = nn.MaxUnpool2d(kernel, 2, padding)

    def forward(self, picture: torch.Tensor) -> Any:
        above = functional.relu(self.first(picture))
        pooled, places = self.pool(above)
        below = functional.relu(self.second(pooled))
        deep, deeper_places = self.pool(below)
        up = self.unpool(self.third(deep), deeper_places, output_size=below.shape[-2:])
        return self.last(self.unpool(up, places, output_size=above.shape[-2:]))


class ENet(nn.Module):
    """The layers that only ENet has: an initial block, a bottleneck that pools with indices beside strided
    convolutions, asymmetric and dilated ones, and one that unpools its main branch.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.start = nn.Conv2d(3, 13, 3, stride=2, padding=1)
        self.start_pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1, return_indices=True)
        self.down = nn.Sequential(nn.Conv2d(16, 8, 2, stride=2), nn.BatchNorm2d(8), nn.PReLU(8), nn.Conv2d(8, 32, 1))
        self.middle = nn.Sequential(
            nn.Conv2d(32, 8, 1), nn.PReLU(8), nn.Conv2d(8, 8, (5, 1), padding=(2, 0)),
            nn.Conv2d(8, 8, (1, 5), padding=(0, 2)), nn.Conv2d(8, 8, 3, padding=2, dilation=2), nn.Conv2d(8, 32, 1),
        )  # fmt: skip
        self.main, self.unpool = nn.Conv2d(32, 16, 1), nn.MaxUnpool2d(3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.last = nn.ConvTranspose2d(16, classes, 3, stride=2, padding=1, output_padding=1)

    def forward(self, picture: torch.Tensor) -> Any:
        first = torch.cat([self.start(picture), self.start_pool(picture)], 1)
        pooled, places = self.pool(first)
        missing = torch.zeros(1, 16, pooled.shape[2], pooled.shape[3])
        deep = functional.relu(torch.cat([pooled, missing], 1) + self.down(first))
        deep = functional.relu(deep + self.middle(deep))
        main = self.unpool(self.main(deep), places, output_size=first.shape[-2:])
        return self.last(functional.relu(main + self.up(deep)))


def export(net: nn.Module, size: tuple[int, int], path: Path, **settings: Any) -> None:
    """The two lines of docs/convert.md; ``size`` is (width, height)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own about torch's own
        torch.onnx.export(net.eval(), (torch.zeros(1, 3, size[1], size[0]),), str(path), verbose=False, **settings)
