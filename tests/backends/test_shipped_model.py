"""The model in the package is what the README says it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_segnet.backends.model import BackendOptions, open_backend
from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.stats import confusion, scores
from edge_segnet.graph import card as cards
from edge_segnet.graph.count import count
from edge_segnet.graph.lower import lower
from edge_segnet.graph.model_files import OnnxModel, find_model
from edge_segnet.sources.synthetic import SyntheticSource


@pytest.fixture(scope="module")
def lite() -> OnnxModel:
    return cards.load("segnet-lite")


def test_it_is_small(lite: OnnxModel) -> None:
    assert find_model("segnet-lite").stat().st_size <= 12e6
    assert count(lite.proto).macs <= 4e9


def test_it_is_a_segnet(lite: OnnxModel) -> None:
    """Every pooling hands its indices to an unpooling."""
    pools = [node.output[1] for node in lite.proto.graph.node if node.op_type == "MaxPool"]
    unpools = [node.input[1] for node in lite.proto.graph.node if node.op_type == "MaxUnpool"]
    assert len(pools) == 4
    assert sorted(pools) == sorted(unpools)


def test_it_says_what_it_is(lite: OnnxModel) -> None:
    assert lite.card.size == (480, 360)
    assert lite.card.classes == CAMVID_11
    assert "CamVid" in lite.card.licence
    assert "research" in lite.card.licence
    assert lite.card.provenance["architecture"] == "segnet-lite"


def test_it_knows_a_street(lite: OnnxModel) -> None:
    """Ground truth is exact on the rendered street; real scores are in the model card."""
    backend = open_backend(lite, "onnx", BackendOptions())
    source = SyntheticSource(size=lite.card.size, seed=3, paced=False)
    matrix = np.zeros((11, 12), np.int64)
    for _ in range(8):
        frame = source.read(1.0)
        assert frame is not None
        matrix += confusion(source.truth(frame.seq), backend.infer([frame])[0].labels, 11)
    result = scores(matrix)
    assert result.global_accuracy > 0.85
    assert result.mean_iou > 0.4


def test_it_knows_when_it_does_not_know(lite: OnnxModel) -> None:
    """A street is familiar; a covered lens, noise and a street that hangs upside down are not."""
    calibration = lite.card.calibration
    assert calibration is not None and 1.0 < calibration.temperature < 2.0
    backend = open_backend(lite, "onnx", BackendOptions())
    frame = SyntheticSource(size=lite.card.size, seed=3, paced=False).read(1.0)
    assert frame is not None
    found = backend.infer([frame])[0]
    assert found.unfamiliar is not None and found.unfamiliar < 0.5 and found.valid
    assert found.uncertain is not None and found.margins is not None
    assert found.low_margin == found.uncertain.sum() / found.labels.size == (found.margins < 16).mean()
    noise = np.random.default_rng(0).integers(0, 256, frame.image.shape, np.uint8)
    strange = [np.zeros_like(frame.image), noise, np.ascontiguousarray(frame.image[::-1, ::-1])]
    for image in strange:
        unfamiliar = backend.infer([replace(frame, image=image)])[0].unfamiliar
        assert unfamiliar is not None and unfamiliar > 0.9


def test_half_precision_changes_few_labels(lite: OnnxModel) -> None:
    """ONNX Runtime on the FP16 graph: a lower bound of the agreement, as it rounds elsewhere than a GPU does."""
    import onnxruntime

    source = SyntheticSource(size=lite.card.size, seed=1, paced=False)
    frame = source.read(1.0)
    assert frame is not None
    labels = []
    for precision in ("fp32", "fp16"):
        model = lower(lite.proto, "tensorrt", precision=precision, head="labels").model
        session = onnxruntime.InferenceSession(model.SerializeToString())
        labels.append(session.run(None, {"frame": frame.image[None]})[0])
    assert (labels[0] == labels[1]).mean() > 0.99
