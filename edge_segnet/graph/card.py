"""A model file and its card: class map, input fit, provenance, licence and calibration travel inside the .onnx, and are
checked at every load.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, get_args

import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_segnet.core import calibration as calibrations
from edge_segnet.core.calibration import Calibration
from edge_segnet.core.classes import ClassMap, from_dict
from edge_segnet.core.errors import ModelError
from edge_segnet.core.files import write_bytes
from edge_segnet.core.types import Fit
from edge_segnet.graph.load import check_file, infer_file, require_finite
from edge_segnet.graph.model_files import ENGINE_SUFFIX, ModelCard, OnnxModel, Stored, find_model
from edge_segnet.graph.quantise import is_quantised
from edge_segnet.graph.view import Wiring

KEY: Final = "edge_segnet."


def attach(
    proto: onnx.ModelProto,
    *,
    name: str,
    classes: ClassMap,
    fit: Fit = "stretch",
    licence: str = "",
    provenance: dict[str, Any] | None = None,
    calibration: Calibration | None = None,
    void_output: bool = False,
) -> OnnxModel:
    """Write the card into ``proto`` (in place) and check that both agree.

    Raises:
        ModelError: the model is not canonical, has another number of classes, or weights that are no numbers.
    """
    require_finite(proto)
    described = {
        "name": name,
        "classes": json.dumps(classes.to_dict()),
        "fit": fit,
        "licence": licence,
        "provenance": json.dumps(provenance or {}),
        **({} if calibration is None else {"calibration": json.dumps(calibration.to_dict())}),
        **({"void_output": "last"} if void_output else {}),
    }
    others = {entry.key: entry.value for entry in proto.metadata_props if not entry.key.startswith(KEY)}
    helper.set_model_props(proto, others | {KEY + key: value for key, value in described.items()})
    return OnnxModel(read(proto, name), proto)


def read(proto: onnx.ModelProto, where: str) -> ModelCard:
    """The card of a canonical model, checked against it; ``where`` names it in errors.

    Raises:
        ModelError: no metadata, wrong input or output, or a class map of another length than the logits.
    """
    found = {entry.key.removeprefix(KEY): entry.value for entry in proto.metadata_props if entry.key.startswith(KEY)}
    if missing := {"name", "classes", "fit", "licence", "provenance"} - found.keys():
        raise ModelError(
            f"{where}: this ONNX file carries no {sorted(missing)[0]!r} of its own",
            hint="make it a model of this project with: edge-segnet convert --spec FILE.yaml",
        )
    size, channels = _interface(proto, where)
    try:
        classes = from_dict(json.loads(found["classes"]), where)
        provenance = json.loads(found["provenance"])
        measured = found.get("calibration")
        calibration = None if measured is None else calibrations.from_dict(json.loads(measured), where)
    except Exception as error:  # whatever stands there: nesting gives RecursionError, thousands of digits ValueError
        raise ModelError(f"{where}: damaged metadata ({error})") from error
    void_output = found.get("void_output") == "last"
    if channels != len(classes) + void_output:
        void = " and void" if void_output else ""
        raise ModelError(
            f"{where}: {channels} output channels, but its class map {classes.name} has {len(classes)} classes{void}",
            hint="CamVid comes with 11 classes and with 12 (Road_marking); the map must be the one it was trained with",
        )
    if found["fit"] not in get_args(Fit) or not isinstance(provenance, dict):
        raise ModelError(f"{where}: damaged metadata (fit {found['fit']!r})")
    fit: Fit = "crop" if found["fit"] == "crop" else "stretch"
    if calibration is not None and calibration.weights != fingerprint(proto):
        raise ModelError(
            f"{where}: its calibration was measured with other weights",
            hint="measure it again: edge-segnet evaluate --calibrate",
        )
    precision: Stored = "int8" if is_quantised(proto) else "fp32"
    named = (found["name"], classes, size, fit, found["licence"])
    return ModelCard(*named, provenance, calibration, void_output, precision)


def fingerprint(proto: onnx.ModelProto) -> str:
    """Of the weights, which a resize or another class map leave alone: SHA-256 of all float32 initializers, as hex."""
    digest = hashlib.sha256()
    for tensor in proto.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            digest.update(tensor.raw_data or numpy_helper.to_array(tensor).tobytes())
    return digest.hexdigest()


def _interface(proto: onnx.ModelProto, where: str) -> tuple[tuple[int, int], int]:
    """((width, height), channels) of a canonical model."""
    weights = {initializer.name for initializer in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in weights]
    outputs = list(proto.graph.output)
    hint = "the form is frame uint8 [1,H,W,3] -> logits [1,C,H,W]; 'convert --spec' makes it"
    if [value.name for value in inputs] != ["frame"] or [value.name for value in outputs] != ["logits"]:
        names = f"{[value.name for value in inputs]} -> {[value.name for value in outputs]}"
        raise ModelError(f"{where}: inputs and outputs are {names}", hint=hint)
    frame, logits = _shape(inputs[0]), _shape(outputs[0])
    if frame[:1] == [0]:
        raise ModelError(f"{where}: the model has a dynamic batch", hint="export it with batch 1 and a fixed size")
    good = len(frame) == len(logits) == 4 and frame[0] == logits[0] == 1 and frame[3] == 3
    if not good or frame[1:3] != logits[2:4] or min(frame + logits) < 1:
        raise ModelError(f"{where}: frame is {frame} and logits is {logits}", hint=hint)
    if inputs[0].type.tensor_type.elem_type != TensorProto.UINT8:
        raise ModelError(f"{where}: frame is not uint8", hint=hint)
    return (frame[2], frame[1]), logits[1]


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    """Dimensions; 0 where one is dynamic."""
    return [int(dimension.dim_value) for dimension in value.type.tensor_type.shape.dim]


def load(model: str, size: tuple[int, int] | None = None) -> OnnxModel:
    """Open a shipped model by name, or a file, at another network size (width, height) if asked: read once, checked
    once, and the shapes that it works with inferred once.

    Raises:
        ModelError: there is no such model, it is damaged or not one of this project's, or can't have that size.
    """
    path = find_model(model)
    if path.suffix == ENGINE_SUFFIX:
        raise ModelError(f"{model}: a TensorRT engine, not a model file", hint="give its .onnx file")
    proto, sha256 = check_file(path)
    found = OnnxModel(read(proto, str(path)), proto, path, sha256)
    if size is not None and size != found.card.size:
        return resized(found, size)
    return replace(found, view=infer_file(path, proto))


def resized(model: OnnxModel, size: tuple[int, int]) -> OnnxModel:
    """The same model at another network size (width, height); raises ModelError."""
    if size == model.card.size:
        return model
    from edge_segnet.graph.resize import resize  # only who asks for another size waits for it

    view = resize(Wiring(model.proto), size)
    return replace(model, proto=view.model, card=replace(model.card, size=size), view=view)


def calibrated(model: OnnxModel, calibration: Calibration) -> OnnxModel:
    """The same model with another calibration; ``model`` stays as it is."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    return _carried(replace(model.card, calibration=calibration), proto)


def described(model: OnnxModel, provenance: dict[str, Any]) -> OnnxModel:
    """The same model with another provenance; ``model`` stays as it is."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    return _carried(replace(model.card, provenance=provenance), proto)


def requantised(model: OnnxModel, proto: onnx.ModelProto, told: dict[str, Any]) -> OnnxModel:
    """``proto``, the INT8 form of ``model``, with its card: ``told`` of the quantisation is added to the provenance.

    A gate has judged that both see the same, so the calibration is carried over, and says so.
    """
    card, measured = model.card, model.card.calibration
    if measured is not None:
        words = f"{measured.measured_on}, in float32".removeprefix(", ")
        measured = replace(measured, weights=fingerprint(proto), measured_on=words)
    return _carried(replace(card, calibration=measured, provenance={**card.provenance, "int8": told}), proto)


def _carried(card: ModelCard, proto: onnx.ModelProto) -> OnnxModel:
    """``proto`` with all that ``card`` says written into it."""
    return attach(
        proto,
        name=card.name,
        classes=card.classes,
        fit=card.fit,
        licence=card.licence,
        provenance=card.provenance,
        calibration=card.calibration,
        void_output=card.void_output,
    )


def save(model: OnnxModel, path: Path) -> None:
    """Write the model file, whole or not at all; raises OutputError."""
    write_bytes(path, model.proto.SerializeToString())
