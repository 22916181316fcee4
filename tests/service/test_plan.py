"""When new settings ask for another model, and when the one at work will do."""

from __future__ import annotations

from typing import Any

import pytest

from edge_segnet.graph import card as cards
from edge_segnet.service.model import Loaded, fingerprint
from edge_segnet.service.plan import is_another
from edge_segnet.sinks.registry import configured
from tests.support.results import PlainBackend

ONE, TWO = ({name: {"source": "0"} for name in names} for names in (("a",), ("a", "b")))


@pytest.mark.parametrize(
    ("change", "on_cpu", "on_gpu"),
    [
        ({}, False, False),
        ({"driver": "pycuda"}, True, True),
        ({"depth": 2}, False, True),
        ({"depth": 1, "cameras": TWO}, False, False),
        ({"cameras": TWO}, False, True),
    ],
)
def test_what_a_model_was_opened_with_is_what_makes_it_another(
    change: dict[str, Any], on_cpu: bool, on_gpu: bool
) -> None:
    old, new = (configured(**{"cameras": ONE, **values}) for values in ({}, change))
    backend = PlainBackend()
    loaded = Loaded(cards.load("segnet-lite").card, backend, 0.1, fingerprint(old))
    assert is_another(new, old, loaded) is on_cpu
    backend.depth = 1  # type: ignore[attr-defined]
    assert is_another(new, old, loaded) is on_gpu, "a GPU's holds as many frames as it was opened for"
