"""Imported graphs against the literal implementation of the fork, and what the report says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_segnet.graph.caffe import Imported, import_caffe
from edge_segnet.graph.lower import Target, lower
from tests.graph.caffe import fork
from tests.graph.caffe.layouts import Layout
from tests.graph.caffe.nets import picture, trained
from tests.graph.runtimes import RUNNERS, run_onnxruntime

LAYOUTS = ("driving_web_demo", "tutorial", "segnet_basic", "bayesian_segnet", "enet")


def agreement(net: Layout, imported: Imported) -> tuple[float, float]:
    """(share of equal labels, share of pixels that count): those with a margin over 1e-3 of the logits' range."""
    frame = picture(imported.size, seed=2)
    ours = run_onnxruntime(lower(imported.model, "onnxruntime").model, frame[None])[0]
    theirs = fork.run(net, frame)
    assert ours.shape == theirs.shape
    best = np.partition(theirs, -2, axis=0)[-2:]
    sure = best[1] - best[0] > 1e-3 * (theirs.max() - theirs.min())
    assert len(np.unique(theirs.argmax(0))) >= 3  # a constant picture would prove nothing
    return float((ours.argmax(0) == theirs.argmax(0))[sure].mean()), float(sure.mean())


@pytest.mark.parametrize("name", LAYOUTS)
def test_labels_are_the_forks_at_480x360(name: str, tmp_path: Path) -> None:
    net = trained(name)
    equal, counted = agreement(net, import_caffe(*net.write(tmp_path), (480, 360)))
    assert equal >= 0.9999 and counted > 0.3


@pytest.mark.parametrize("name", LAYOUTS)
def test_labels_are_the_forks_at_odd_sizes(name: str, tmp_path: Path) -> None:
    # ENet halves its maps on two ways at once, by convolution and by pooling: in Caffe as here only multiples of 8 fit.
    for size in [(200, 104), (104, 72)] if name == "enet" else [(161, 97), (75, 101)]:
        net = trained(name, size)
        equal, counted = agreement(net, import_caffe(*net.write(tmp_path), size))
        assert equal >= 0.9999 and counted > 0.3


def test_the_report_counts_what_was_there(tmp_path: Path) -> None:
    imported = import_caffe(*trained("driving_web_demo").write(tmp_path))
    assert (imported.size, imported.classes) == ((480, 360), 12)
    kinds = ("Convolution", "BN", "ReLU", "Pooling", "Upsample", "ArgMax")
    assert [imported.layers[kind] for kind in kinds] == [26, 25, 25, 5, 5, 1]
    assert len(imported.folded) == 25
    assert imported.cost.macs / 1e9 == pytest.approx(106.8, abs=0.1)
    assert imported.ignored == ["argmax (ArgMax): every backend ends in one of its own"] and imported.notes == []
    operators = {node.op_type for node in imported.model.graph.node}
    assert operators == {"Cast", "Transpose", "Conv", "Relu", "MaxPool", "MaxUnpool"}


def test_a_bayesian_net_becomes_its_plain_one_and_says_so(tmp_path: Path) -> None:
    imported = import_caffe(*trained("bayesian_segnet").write(tmp_path))
    assert any("Bayesian" in note for note in imported.notes) and "batch 4 became 1" in imported.notes
    assert sum("Dropout" in line for line in imported.ignored) == 6
    assert imported.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_a_list_of_pictures_becomes_the_input(tmp_path: Path) -> None:
    imported = import_caffe(*trained("segnet_basic").write(tmp_path))
    assert imported.size == (480, 360) and any("480x360" in note for note in imported.notes)
    assert imported.ignored[0].startswith("data (DenseImageData)")


def test_enet_keeps_its_own_size(tmp_path: Path) -> None:
    imported = import_caffe(*trained("enet").write(tmp_path))
    assert (imported.size, imported.classes) == ((1024, 512), 19)
    assert sum("(Python)" in line for line in imported.ignored) == 27


@pytest.mark.parametrize("target", ["openvino", "opencv"])
def test_imported_networks_run_elsewhere_with_the_same_labels(target: Target, tmp_path: Path) -> None:
    """ENet, because it has what SegNet has not: PReLU, transposed and dilated convolutions, an odd map (61x45)."""
    imported = import_caffe(*trained("enet").write(tmp_path), (488, 360))
    frame = picture(imported.size, seed=3)[None]
    native = run_onnxruntime(lower(imported.model, "onnxruntime").model, frame)[0].argmax(0)
    other = RUNNERS[target](lower(imported.model, target).model, frame)[0].argmax(0)
    assert (native == other).mean() > 0.999
