"""What travels inside a model file, and what is refused at load."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from edge_segnet.core.calibration import Calibration
from edge_segnet.core.classes import CAMVID_11, CAMVID_12, CITYSCAPES_19
from edge_segnet.core.errors import ModelError, OutputError
from edge_segnet.graph import card as cards
from tests.support.models import tiny_model


def entry(model: onnx.ModelProto, key: str) -> onnx.StringStringEntryProto:
    found = next(entry for entry in model.metadata_props if entry.key == f"edge_segnet.{key}")
    assert isinstance(found, onnx.StringStringEntryProto)
    return found


def test_everything_comes_back(tmp_path: Path) -> None:
    made = tiny_model(CITYSCAPES_19, (70, 50), fit="crop", licence="research only")
    made = cards.attach(
        made.proto,
        name="mine",
        classes=CITYSCAPES_19,
        fit="crop",
        licence="research only",
        provenance={"data": ["a", "b"], "figures": {"mean_iou": 0.5}},
    )
    cards.save(made, tmp_path / "x.onnx")
    back = cards.load(str(tmp_path / "x.onnx"))
    assert (back.card.name, back.card.classes, back.card.size) == ("mine", CITYSCAPES_19, (70, 50))
    assert back.card.fit == "crop"
    assert back.card.licence == "research only"
    assert back.card.provenance == {"data": ["a", "b"], "figures": {"mean_iou": 0.5}}
    assert back.proto.SerializeToString() == made.proto.SerializeToString()


def test_other_metadata_is_kept() -> None:
    made = tiny_model()
    other = made.proto.metadata_props.add()
    other.key, other.value = "author", "somebody"
    again = cards.attach(made.proto, name="again", classes=CAMVID_11)
    assert {prop.key: prop.value for prop in again.proto.metadata_props}["author"] == "somebody"
    assert len([prop for prop in again.proto.metadata_props if prop.key.startswith("edge_segnet.")]) == 5


def test_eleven_is_not_twelve() -> None:
    with pytest.raises(ModelError, match="x: 11 output channels, but its class map camvid-12 has 12 classes: CamVid"):
        cards.attach(tiny_model().proto, name="x", classes=CAMVID_12)


@pytest.mark.parametrize("key", ["name", "classes", "fit", "licence", "provenance"])
def test_nothing_may_be_missing(key: str) -> None:
    model = tiny_model().proto
    model.metadata_props.remove(entry(model, key))
    with pytest.raises(ModelError, match=f"x: this ONNX file carries no '{key}' of its own: make it"):
        cards.read(model, "x")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", "{"),
        ("classes", "[" * 100_000),
        ("classes", '{"classes": 3}'),
        ("classes", '{"classes": [{"name": "a"}]}'),
        ("fit", "letterbox"),
        ("provenance", "[1]"),
        ("provenance", "nonsense"),
    ],
)
def test_damaged_metadata(key: str, value: str) -> None:
    model = tiny_model().proto
    entry(model, key).value = value
    with pytest.raises(ModelError, match="x: damaged metadata"):
        cards.read(model, "x")


def test_the_interface_is_checked() -> None:
    model = tiny_model().proto
    model.graph.output[0].name = "scores"
    with pytest.raises(ModelError, match=r"inputs and outputs are \['frame'\] -> \['scores'\]: the form is frame"):
        cards.read(model, "x")
    model = tiny_model().proto
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    with pytest.raises(ModelError, match=r"x: the model has a dynamic batch"):
        cards.read(model, "x")
    model = tiny_model().proto
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    with pytest.raises(ModelError, match="x: frame is not uint8"):
        cards.read(model, "x")


def test_models_that_are_not_there(tmp_path: Path) -> None:
    engine = tmp_path / "x.engine"
    engine.write_bytes(b"plan")
    with pytest.raises(ModelError, match=r"nonsense: no such model: give an \.onnx file or one of"):
        cards.load("nonsense")
    with pytest.raises(ModelError, match="a TensorRT engine, not a model file"):
        cards.load(str(engine))
    with pytest.raises(ModelError, match="no such model"):
        cards.load(str(tmp_path))
    with pytest.raises(ModelError, match="File name too long"):
        cards.load("n" * 300)


def test_a_model_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").mkdir()
    with pytest.raises(OutputError, match="Is a directory"):
        cards.save(tiny_model(), tmp_path / "x.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]


def test_a_calibration_comes_back_and_belongs_to_its_weights(tmp_path: Path) -> None:
    plain = tiny_model()
    measured = Calibration(1.4, 8.0, 0.5, cards.fingerprint(plain.proto), "two drives")
    made = cards.attach(plain.proto, name="x", classes=plain.card.classes, calibration=measured)
    assert made.card.calibration == measured and made.card.temperature == 1.4 and plain.card.temperature == 1.0
    cards.save(made, tmp_path / "x.onnx")
    back = cards.load(str(tmp_path / "x.onnx"))
    assert back.card.calibration == measured
    assert cards.resized(back, (96, 80)).card.calibration == measured
    assert cards.fingerprint(cards.resized(back, (96, 80)).proto) == measured.weights
    weight = next(tensor for tensor in made.proto.graph.initializer if len(tensor.dims) == 4)
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.001), weight.name))
    with pytest.raises(ModelError, match="measured with other weights"):
        cards.read(made.proto, "x")


def test_a_calibration_that_is_impossible_is_refused() -> None:
    made = tiny_model()
    measured = Calibration(1.4, 8.0, 0.5, cards.fingerprint(made.proto))
    made = cards.attach(made.proto, name="x", classes=made.card.classes, calibration=measured)
    entry(made.proto, "calibration").value = '{"temperature": -1}'
    with pytest.raises(ModelError, match=r"x: damaged metadata .*calibration"):
        cards.read(made.proto, "x")
