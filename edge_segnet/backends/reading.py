"""Reads a model in a process of its own: parsed, checked, shapes inferred, resized and lowered there.

onnx and protobuf hold the interpreter's lock for as long as they work, which would stop every thread of a service; and
what a model makes them take, time or memory, ends with that process.

    service --name, size on standard input--> backends.reader as a program --card and lowered graph--> service
"""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal

from edge_segnet.backends import ahead
from edge_segnet.core import calibration as calibrations
from edge_segnet.core.classes import from_dict
from edge_segnet.core.errors import EdgeSegnetError, ModelError, UsageError
from edge_segnet.core.types import CpuPrecision
from edge_segnet.graph.model_files import CpuTarget, LoweredModel, ModelCard, OnnxModel, find_model, ships

if TYPE_CHECKING:  # onnx, which who serves does not wait for
    from edge_segnet.graph.load import OnnxFile

CpuModel = OnnxModel | LoweredModel
HEADER: Final = struct.Struct("<I")
"""Bytes of the facts (JSON), which tell the bytes of each graph that follows."""
LIMIT_S: Final = 600.0
"""Far beyond any network that is in use: a graph that takes this long was made to."""


@dataclass(frozen=True)
class Wish:
    """What the other process is to read: graphs for ``targets``, or else what the file holds, as it is."""

    name: str
    size: tuple[int, int] | None
    targets: tuple[CpuTarget, ...] | Literal["model", "file"]
    """"model": a canonical one; "file": any ONNX file."""
    batch: int = 1
    """Above 1: graphs for so many frames at once as well."""


def targets(kind: str) -> tuple[CpuTarget, ...]:
    """Whose graphs a backend of that kind may need: any of both where the quicker one is looked for."""
    if kind == "openvino":
        return ("openvino",)
    return ("onnxruntime", "openvino") if kind != "onnx" and find_spec("openvino") else ("onnxruntime",)


def check_precision(model: CpuModel, wish: CpuPrecision) -> None:
    """Raises ModelError: that is not what the model file computes in, and another precision is not taken silently."""
    card = model.card
    if card.precision == "int8" and wish not in ("auto", "int8"):
        hint = "take precision auto or int8, or the float32 model that it was made from"
        raise ModelError(f"{card.name} is an INT8 model, and does not compute in {wish}", hint=hint)
    if card.precision == "fp32" and wish == "int8":
        raise ModelError(f"{card.name} is no INT8 model", hint="make one of it: edge-segnet quantize")


def graph_for(model: CpuModel, target: CpuTarget, batch: int = 1) -> bytes:
    """The serialised graph as a runtime takes it, for ``batch`` frames, with the decode behind it.

    Raises:
        ModelError: it can't be lowered, or takes one frame at a time.
    """
    if isinstance(model, LoweredModel):
        if batch == 1:
            return model.graphs[target]
        if batch != model.batch or target not in model.together:
            raise ModelError(f"{model.card.name} takes one frame at a time")
        return model.together[target]
    from edge_segnet.graph.head import Decode
    from edge_segnet.graph.lower import lower

    decode = Decode(model.card.temperature, len(model.card.classes))
    lowered = lower(model.proto, target, head="decode", decode=decode, batch=batch, view=model.view)
    return bytes(lowered.model.SerializeToString())


class Reading:
    """A model on its way: begun here, and read by the other process while this one does something else."""

    def __init__(
        self,
        name: str,
        size: tuple[int, int] | None,
        wanted: tuple[CpuTarget, ...] | Literal["model", "file"],
        batch: int = 1,
    ) -> None:
        """A shipped NAME or an .onnx file at a size (width, height), None: its own, for the runtimes ``wanted``, and
        for ``batch`` frames at once; or what the file holds.

        Raises:
            ModelError: there is no such model, or no process can be started.
        """
        self.path = find_model(name)
        try:
            self._process = ahead.take()
        except OSError as error:
            raise ModelError(
                f"{self.path}: the process that reads it can't be started ({sys.executable}: {error.strerror})",
                hint="may this user run that interpreter? is there memory enough?",
            ) from error
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it died: ``result`` says so
            self._process.stdin.write(json.dumps(asdict(Wish(name, size, wanted, batch))).encode() + b"\n")
            self._process.stdin.flush()

    def result(self) -> LoweredModel:
        """Wait for it.

        Raises:
            ModelError: damaged, it can't have that size, or reading it takes too much memory or time.
            UsageError: its class map is wrong.
        """
        facts, parts = self.wait()
        graphs, together = parts["graphs"], parts["together"]
        return LoweredModel(
            _card(facts["card"], str(self.path)), self.path, facts["sha256"], graphs, together, facts["batch"]
        )

    def wait(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The facts, and what else was told, by its names; raises as ``result``."""
        try:
            told, _ = self._process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            what = f"{self.path}: reading it takes more than {LIMIT_S:g} s"
            raise ModelError(what, hint="export the model again") from None
        finally:
            self.close()
        if len(told) < HEADER.size:
            code = self._process.returncode
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            hint = "is there memory enough? is the file whole?"
            raise ModelError(f"{self.path}: the process that read it ended by itself ({how})", hint=hint)
        (length,) = HEADER.unpack_from(told)
        place = HEADER.size + length
        facts = json.loads(told[HEADER.size : place])
        if "error" in facts:
            raise _ERRORS.get(facts["error"], ModelError)(facts["message"], hint=facts["hint"])
        return facts, _parts(facts, told, place)

    def close(self) -> None:
        """End the other process; may be called twice."""
        ahead.end(self._process)


def _parts(facts: dict[str, Any], data: bytes, place: int) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {"graphs": {}, "together": {}}
    for part, graphs in found.items():
        for name, size in facts[part].items():
            graphs[name] = data[place : place + size]
            place += size
    return found


def foreign(name: str) -> bool:
    """Whether an ONNX file did not come with this package; raises ModelError where there is none."""
    return not ships(find_model(name))


def read_canonical(name: str, size: tuple[int, int] | None) -> OnnxModel:
    """The network itself, at a size (width, height), for who needs its weights; raises as ``Reading`` does."""
    made = Reading(name, size, "model")
    facts, file = _whole(made)
    return OnnxModel(_card(facts["card"], str(made.path)), file.proto, made.path, file.sha256, file.view)


def read_any(name: str) -> OnnxFile:
    """What an ONNX file holds, canonical or not.

    Raises:
        ModelError: missing, damaged, or reading it takes too much memory or time.
    """
    return _whole(Reading(name, None, "file"))[1]


def _whole(made: Reading) -> tuple[dict[str, Any], OnnxFile]:
    """Facts, and the file as the other process has read, checked and inferred it: nothing of that is done again."""
    import onnx

    from edge_segnet.graph.load import OnnxFile
    from edge_segnet.graph.view import View

    facts, parts = made.wait()
    proto = onnx.ModelProto.FromString(parts["graphs"]["proto"])
    shapes = onnx.GraphProto.FromString(parts["graphs"]["shapes"])
    return facts, OnnxFile(proto, facts["sha256"], View(proto, shapes))


def read(name: str, size: tuple[int, int] | None, wanted: tuple[CpuTarget, ...]) -> LoweredModel:
    """Begin, and wait; raises as ``Reading`` does."""
    return Reading(name, size, wanted).result()


_ERRORS: Final[dict[str, type[EdgeSegnetError]]] = {"UsageError": UsageError}


def _card(told: dict[str, Any], where: str) -> ModelCard:
    measured = told["calibration"]
    return ModelCard(
        name=told["name"],
        classes=from_dict(told["classes"], where),
        size=(told["size"][0], told["size"][1]),
        fit=told["fit"],
        licence=told["licence"],
        provenance=told["provenance"],
        calibration=None if measured is None else calibrations.from_dict(measured, where),
        void_output=told["void_output"],
        precision=told["precision"],
    )
