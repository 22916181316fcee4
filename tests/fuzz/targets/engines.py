"""Engine files: the manifest with and without its seal, the golden picture with and without its hash."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import random
from pathlib import Path
from typing import Any, Final

from edge_segnet.core.errors import EdgeSegnetError
from edge_segnet.engine import manifest
from edge_segnet.engine.load import describe_engine, verify
from tests.engine.engines import forge
from tests.fuzz.mutate import VALUES, change_value, mutated, mutated_png
from tests.support.models import save_tiny

ODD: Final = (*VALUES, [8192, 8192], [10**9, 10**9], [-1, 5], "fp16", "fp32", "8.7", ["8.7"], "x" * 100_000)


class EngineFiles:
    """``--model FILE.engine``; nothing is deserialised here."""

    def __init__(self, folder: Path) -> None:
        self._engine = folder / "engines" / "tiny.engine"
        self._engine.parent.mkdir(exist_ok=True)
        forge(self._engine, save_tiny(folder / "tiny.onnx"))
        self._manifest = json.loads(self._engine.with_suffix(".json").read_text(encoding="utf-8"))
        self._golden = manifest.golden_path(self._engine).read_bytes()

    def make(self, rng: random.Random) -> Path:
        document, golden = copy.deepcopy(self._manifest), self._golden
        if rng.random() < 0.3:
            golden = mutated_png(rng, golden)
            document["files"]["golden"] = hashlib.sha256(golden).hexdigest()
        if rng.random() < 0.8:
            for _ in range(rng.choice((1, 1, 2))):
                change_value(rng, document, ODD)
        text = _sealed(document) if rng.random() < 0.7 else json.dumps(document).encode()
        if rng.random() < 0.2:
            text = mutated(rng, text)
        if rng.random() < 0.05:
            text = b"[" * 50_000
        self._engine.with_suffix(".json").write_bytes(text)
        manifest.golden_path(self._engine).write_bytes(golden)
        return self._engine

    def run(self, case: Path) -> None:
        with contextlib.suppress(EdgeSegnetError):
            describe_engine(case)
        verify(case)


def _sealed(document: dict[str, Any]) -> bytes:
    """As if it had been written so; as it is, where the manifest itself refuses it."""
    try:
        return manifest.as_bytes(manifest.sealed(manifest.Manifest.model_validate_json(json.dumps(document))))
    except ValueError:
        return json.dumps(document).encode()
