"""Checkpoints: everything that a run goes on from, and whose run it is."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from edge_segnet.core.errors import ModelError, UsageError
from edge_segnet.data.pairs import Pair

Fingerprint = dict[str, str]
"""What makes a run the same run, by what it is called: the data, the network, the recipe."""


def data_fingerprint(pairs: Sequence[Pair]) -> str:
    """Of names and sizes of pictures, and of names and contents of labels; not of where they lie."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(f"{pair.image.name} {pair.image.stat().st_size} {pair.labels.name} ".encode())
        digest.update(hashlib.sha256(pair.labels.read_bytes()).digest())
    return f"{len(pairs)} pairs, {digest.hexdigest()[:12]}"


def save(path: Path, state: dict[str, Any], fingerprint: Fingerprint) -> None:
    """Write beside the old checkpoint, then rename."""
    beside = path.with_name(path.name + ".part")
    torch.save({**state, "fingerprint": json.dumps(fingerprint)}, beside)
    beside.replace(path)


def load(path: Path, fingerprint: Fingerprint, device: torch.device) -> dict[str, Any]:
    """The state that ``save`` wrote.

    Raises:
        ModelError: the file is broken.
        UsageError: it belongs to another run; says in what they differ.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        earlier: Fingerprint = json.loads(state["fingerprint"])
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path}: not a checkpoint ({reason})", hint="delete it to start anew") from error
    keys = sorted(earlier.keys() | fingerprint.keys())
    different = [key for key in keys if earlier.get(key) != fingerprint.get(key)]
    if different:
        words = "; ".join(f"{key} {earlier.get(key, 'none')}, now {fingerprint.get(key, 'none')}" for key in different)
        raise UsageError(
            f"{path} belongs to another training ({words})",
            hint="give another -o, or delete it to start anew",
        )
    return state
