"""Opens a model file from anywhere: nothing is believed before it was checked, and every fault is one line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, numpy_helper
from onnx.external_data_helper import load_external_data_for_model

from edge_segnet.core.errors import ModelError, first_line
from edge_segnet.graph.view import View, all_nodes, label, subgraphs

MAX_BYTES: Final = 2**31 - 1
"""Protobuf's own limit; external data counts as well, because the model is held in one piece."""
_DOMAINS = ("", "ai.onnx")
_LOOPS = ("Loop", "Scan")


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """A file that was read and found sound. ``sha256``: of the file, and of its weights where they lie in other files;
    ``view``: its shapes.
    """

    proto: onnx.ModelProto
    sha256: str
    view: View


def read_file(path: Path) -> OnnxFile:
    """As ``check_file``, and its shapes are inferred, once."""
    model, sha256 = check_file(path)
    return OnnxFile(model, sha256, infer_file(path, model))


def check_file(path: Path) -> tuple[onnx.ModelProto, str]:
    """Read an ONNX file with its external data, and its SHA-256: one read, one check, no shape inference.

    External data is read only from regular files inside the model's own folder: no absolute place, no "..", no
    symbolic link, no more bytes than the file has.

    Raises:
        ModelError: missing, unreadable, too large, damaged, with external data elsewhere, with operators that are not
            ONNX's own, or not valid ONNX. The message is one line that names the file.
    """
    data = _read(path)
    model = _parse(path, data)
    digest = hashlib.sha256(data)
    del data
    external = [tensor for tensor in _tensors(model) if tensor.data_location == TensorProto.EXTERNAL]
    folder = path.resolve().parent
    room = MAX_BYTES - path.stat().st_size
    for tensor in external:
        room -= _check_external(path, folder, tensor)
        if room < 0:
            raise ModelError(f"{path}: model and external data are larger than {MAX_BYTES} bytes")
    if external:
        try:
            load_external_data_for_model(model, str(folder))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise ModelError(f"{path}: external data can't be read ({first_line(error)})") from None
        for tensor in model.graph.initializer:
            digest.update(tensor.raw_data)
    with _naming(path):
        _check_operators(path, model)
        onnx.checker.check_model(model)
        require_finite(model)
    return model, digest.hexdigest()


def infer_file(path: Path, model: onnx.ModelProto) -> View:
    """The shapes of what ``check_file`` gave; raises ModelError: it contradicts itself."""
    with _naming(path):
        return View(model)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Whatever is raised inside becomes a ModelError of one line that names the file."""
    try:
        yield
    except ModelError as error:
        prefix = "" if error.message.startswith(str(path)) else f"{path}: "
        raise ModelError(f"{prefix}{error.message}", hint=error.hint) from None
    except Exception as error:  # noqa: BLE001 - what onnx and NumPy raise on content that contradicts itself
        raise ModelError(f"{path}: not valid ONNX ({first_line(error)})", hint="export the model again") from None


def require_finite(model: onnx.ModelProto) -> None:
    """Read every tensor, since the checker believes names and sizes that only fail when somebody does.

    A single infinity is a bound or a padding, as exporters write them; among weights it is as broken as a NaN.

    Raises:
        ModelError: a weight is no number: whatever such a network computes is none, or one class everywhere.
    """
    for tensor in _tensors(model):
        values = numpy_helper.to_array(tensor)
        if values.dtype.kind != "f":
            continue
        broken = np.isnan(values) if values.size == 1 else ~np.isfinite(values)
        if count := int(np.count_nonzero(broken)):
            what = f"weight '{tensor.name}': {count} of {values.size} values are no numbers"
            raise ModelError(what, hint="the training diverged, or the file is damaged: export or copy it again")


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ModelError(f"{path}: {'not a file' if path.exists() else 'no such file'}", hint="give an .onnx file")
        size = path.stat().st_size
        if not 0 < size <= MAX_BYTES:
            raise ModelError(f"{path}: {size} bytes can't be an ONNX model", hint=f"1 to {MAX_BYTES} bytes are allowed")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror})") from None


def _parse(path: Path, data: bytes) -> onnx.ModelProto:
    damaged = ModelError(f"{path}: not an ONNX model, or a damaged one", hint="copy or export the file again")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError, RuntimeError):
        raise damaged from None
    if not model.graph.node or not model.opset_import:
        raise damaged
    return model


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor that may hold data, wherever it hides."""
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _node_tensors(node)
    for training in model.training_info:
        yield from _graph_tensors(training.initialization)
        yield from _graph_tensors(training.algorithm)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _node_tensors(node)


def _node_tensors(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        single = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
        for sparse in (*single, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)
    for body in subgraphs(node):
        yield from _graph_tensors(body)


def _check_external(path: Path, folder: Path, tensor: onnx.TensorProto) -> int:
    """Bytes that an external tensor will take; raises ModelError before anything was opened."""
    facts = {entry.key: entry.value for entry in tensor.external_data}
    location = facts.get("location", "")
    if not isinstance(location, str):  # protobuf hands over what is no UTF-8 as bytes
        location = repr(location)
    refused = ModelError(
        f"{path}: weight '{tensor.name}' lies in '{location}', which is not a file in the model's own folder",
        hint="put the data file beside the model and name it without a path or link",
    )
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    if not location or "\0" in location or posix.is_absolute() or windows.drive or windows.is_absolute():
        raise refused
    if ".." in posix.parts or ".." in windows.parts:
        raise refused
    place = folder
    try:
        for part in posix.parts:
            place /= part
            if place.is_symlink():
                raise refused
        if not place.is_file() or not place.resolve().is_relative_to(folder):
            raise refused
    except (OSError, TypeError, ValueError):  # a name that no file can have
        raise refused from None
    try:
        offset, size = int(facts.get("offset", "0")), place.stat().st_size
        length = int(facts.get("length", size - offset))
    except ValueError:
        raise ModelError(f"{path}: weight '{tensor.name}' has a damaged external data entry") from None
    if offset < 0 or length < 0 or offset + length > size:
        raise ModelError(
            f"{path}: weight '{tensor.name}' wants bytes {offset} to {offset + length} of '{location}' ({size} bytes)",
            hint="the data file is truncated or belongs to another model",
        )
    return length


def _check_operators(path: Path, model: onnx.ModelProto) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    bodies = [node for function in model.functions for node in function.node]
    for node in (*all_nodes(model.graph), *bodies):
        if node.op_type in _LOOPS:
            raise ModelError(
                f"{path}: {label(node)} runs as often as it likes, and may never end",
                hint="export the model without loops: a network of convolutions needs none",
            )
        if node.domain not in _DOMAINS and (node.domain, node.op_type) not in own:
            raise ModelError(
                f"{path}: {label(node)} is a custom operator of domain '{node.domain}'",
                hint="export the model with ONNX's own operators only",
            )
