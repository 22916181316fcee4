"""Ranges, the search for the layers to keep, and the gate: on small models, without a command."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from edge_segnet.core.errors import InputError, ModelError
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.graph.quantise import layers, quantised_layers
from edge_segnet.offline.int8.gate import Agreement, Verdict
from edge_segnet.offline.int8.pictures import read_pictures
from edge_segnet.offline.int8.ranges import METHODS, Histogram, measure
from edge_segnet.offline.int8.search import Search, check, split
from edge_segnet.offline.int8.sensitivity import Row, worst_first
from tests.support.int8 import frames, int8_of, random_family
from tests.support.models import tiny_model


@pytest.fixture(scope="module")
def lite() -> OnnxModel:
    return random_family("segnet-lite", (64, 48))


def test_a_histogram_grows_and_keeps_its_counts() -> None:
    histogram = Histogram()
    rng = np.random.default_rng(0)
    parts = [rng.normal(0, scale, 5000).astype(np.float32) for scale in (0.0, 1.0, 4.0, 2.0)]
    for part in parts:
        histogram.add(part)
    values = np.abs(np.concatenate(parts[1:]))
    assert histogram.largest == pytest.approx(values.max())
    assert histogram.counts.sum() == values.size
    assert histogram.cut("minmax") == histogram.largest
    wanted = float(np.quantile(values, 0.9999))
    assert histogram.cut("percentile") == pytest.approx(wanted, rel=0.1)


def test_least_squares_cuts_a_lonely_outlier_off() -> None:
    histogram = Histogram()
    values = np.append(np.random.default_rng(0).uniform(-1, 1, 100_000), [1.5]).astype(np.float32)
    histogram.add(values)
    assert histogram.cut("mse") < 1.3 < histogram.cut("minmax")


def test_a_map_without_numbers_is_told() -> None:
    with pytest.raises(ModelError, match="no numbers"):
        Histogram().add(np.array([1.0, np.inf], np.float32))


def test_what_is_measured_is_what_the_maps_hold(lite: OnnxModel) -> None:
    found = measure(lite, ["image"], frames(lite.card.size, 3), lambda: None)
    wanted = max(np.abs((frame.image.astype(np.float32) - 127) / 128).max() for frame in frames(lite.card.size, 3))
    assert found["image"].largest == pytest.approx(float(wanted))


@dataclass
class KnownGate:
    """Holds where the layers ``needed`` are in float."""

    needed: set[str]
    tried: list[set[str]] = field(default_factory=list)

    def judge(self, model: OnnxModel) -> Verdict:
        kept = {layer.name for layer in layers(model.shapes)} - set(quantised_layers(model.proto))
        self.tried.append(kept)
        missing = len(self.needed - kept)
        return Verdict("layers missing:", missing, 0, missing == 0, {"missing": missing})


def searched(model: OnnxModel, gate: KnownGate, deadline: float | None = None) -> Search:
    return Search(model, frames(model.card.size, 12), gate, deadline)


def ranked(table: Sequence[Row]) -> list[str]:
    return [row.layer.name for row in worst_first(table)]


def test_nothing_is_kept_where_all_may_be_int8(lite: OnnxModel) -> None:
    gate = KnownGate(set())
    found = searched(lite, gate).run(lambda **_: None)
    assert found.kept == [] and len(gate.tried) == 1 and found.model is not None
    assert found.model.card.precision == "int8"
    assert found.method == min(METHODS, key=lambda one: found.methods[one].error)
    assert [row.layer.name for row in found.table] == [layer.name for layer in layers(lite.shapes)]
    assert all(row.loss is not None and row.loss.error > 0 for row in found.table)
    told = found.model.card.provenance["int8"]
    assert told["float_layers"] == [] and told["ranges"] == found.method and told["pictures"] == 12


def test_the_fewest_of_the_worst_are_kept(lite: OnnxModel) -> None:
    free = searched(lite, KnownGate(set())).run(lambda **_: None)
    worst = ranked(free.table)
    for needed in (1, 3, 5):
        gate = KnownGate(set(worst[:needed]))
        found = searched(lite, gate).run(lambda **_: None)
        assert set(found.kept) == set(worst[:needed])
        assert found.model is not None and set(found.model.card.provenance["int8"]["float_layers"]) == set(found.kept)


def test_a_gate_that_never_holds_gives_nothing_but_the_table(lite: OnnxModel) -> None:
    gate = KnownGate({"no such layer"})
    found = searched(lite, gate).run(lambda **_: None)
    assert found.model is None and not found.verdict.holds and len(found.table) == len(layers(lite.shapes))
    assert max(len(kept) for kept in gate.tried) == math.ceil(len(found.table) / 2)


def test_when_the_time_is_up_nothing_new_is_tried(lite: OnnxModel) -> None:
    gate = KnownGate({"no such layer"})
    found = searched(lite, gate, time.monotonic() - 1).run(lambda **_: None)
    assert len(gate.tried) == 1 and found.model is None and not found.in_time
    assert all(row.loss is None for row in found.table)


def test_agreement_is_with_the_float_model(lite: OnnxModel) -> None:
    gate = Agreement(lite, frames(lite.card.size, 2))
    same = gate.judge(lite)
    assert same.holds and same.measured == 100.0
    assert 0.5 < gate.judge(int8_of(lite)).facts["agreement"] < 1.0


def test_pictures_that_judge_give_no_ranges() -> None:
    ranging, judging = split(frames((64, 48), 12))
    assert [frame.seq for frame in judging] == [3, 7, 11] and len(ranging) == 9


def test_an_int8_model_is_not_quantised_again() -> None:
    with pytest.raises(ModelError, match="quantised already"):
        check(int8_of(tiny_model()))


def test_pictures_come_evenly_from_the_street_that_has_no_end() -> None:
    card = tiny_model().card
    found = read_pictures("synthetic://drive", card, 8)
    assert len(found) == 8 and all(frame.image.shape == (48, 64, 3) and frame.original is None for frame in found)
    assert np.diff([frame.seq for frame in found]).tolist() == [15] * 7


def test_a_camera_that_is_none_is_an_input_error() -> None:
    with pytest.raises(InputError):
        read_pictures("/dev/video97", tiny_model().card, 8)
