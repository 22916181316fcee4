"""What the optimiser is told: learning rates by part and by time, the running average, the precision of a device."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edge_segnet.train.model import SegNet


def moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Exponential averaging that forgets faster at first, so that short runs are not held back by the random start."""

    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        steps = int(count)
        share = 1.0 - min(decay, (1 + steps) / (10 + steps))
        for target, value in zip(averaged, current, strict=True):
            if target.is_floating_point():
                target.lerp_(value, share)
            else:
                target.copy_(value)

    return update


def schedule(done: float, warmup: float) -> float:
    """Linear warm-up, then a half cosine down to 1 % (Loshchilov & Hutter 2017, arXiv 1608.03983, without restarts)."""
    if done < warmup:
        return max(done / warmup, 0.01)
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * (done - warmup) / (1.0 - warmup)))


def groups(network: SegNet, rate: float, encoder_rate: float, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters by learning rate (encoder, rest) and weight decay (kernels, the rest)."""
    encoder = network.encoder_names
    found: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        key = (name.split(".")[1] in encoder, parameter.ndim > 1)
        found.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "peak": rate * (encoder_rate if in_encoder else 1.0),
            "weight_decay": weight_decay if is_kernel else 0.0,
        }
        for (in_encoder, is_kernel), parameters in found.items()
    ]


def amp_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it natively; float16 on older GPUs; float32 on other CPUs."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.bfloat16 if torch.backends.cpu.get_cpu_capability() == "AVX512" and _has_bf16() else torch.float32


def _has_bf16() -> bool:
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
