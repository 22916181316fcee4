"""Reads a model in a process of its own: parsed, checked, shapes inferred, resized and lowered there.

onnx and protobuf hold the interpreter's lock for as long as they work, which would stop every thread of a service; and
what a model makes them take, time or memory, ends with that process.

    service --name, size on standard input--> this module as a program --card and lowered graph--> service
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import struct
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from edge_segnet.core import calibration as calibrations
from edge_segnet.core.classes import from_dict
from edge_segnet.core.errors import EdgeSegnetError, ModelError, UsageError
from edge_segnet.core.processes import end_with_parent
from edge_segnet.core.types import CpuPrecision
from edge_segnet.graph.model_files import CpuTarget, LoweredModel, ModelCard, OnnxModel, find_model, ships

CpuModel = OnnxModel | LoweredModel
HEADER: Final = struct.Struct("<I")
"""Bytes of the facts (JSON), which tell the bytes of each graph that follows."""
LIMIT_S: Final = 600.0
ROOM: Final = 3 << 29
"""Bytes of address space beside what the file itself takes: the libraries have one, shapes and the graph the rest."""
COPIES: Final = 16
"""Of the file's bytes: read, parsed, checked, resized, lowered and serialised it lies there several times."""
_ALONE: Final = {"OPENBLAS_NUM_THREADS": "1", "NOTIFY_SOCKET": ""}
"""Each of OpenBLAS's threads reserves address space, and only the service speaks to the service manager."""


@dataclass(frozen=True)
class _Wish:
    """What the other process is to read."""

    name: str
    size: tuple[int, int] | None
    targets: tuple[CpuTarget, ...]
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

    def __init__(self, name: str, size: tuple[int, int] | None, wanted: tuple[CpuTarget, ...], batch: int = 1) -> None:
        """A shipped NAME or an .onnx file at a size (width, height), None: its own, for the runtimes ``wanted``, and
        for ``batch`` frames at once.

        Raises:
            ModelError: there is no such model, or no process can be started.
        """
        self._path = find_model(name)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edge_segnet.backends.reading"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | _ALONE,
            )
        except OSError as error:
            raise ModelError(
                f"{self._path}: the process that reads it can't be started ({sys.executable}: {error.strerror})",
                hint="may this user run that interpreter? is there memory enough?",
            ) from error
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it died: ``result`` says so
            self._process.stdin.write(json.dumps(asdict(_Wish(name, size, wanted, batch))).encode() + b"\n")
            self._process.stdin.flush()

    def result(self) -> LoweredModel:
        """Wait for it.

        Raises:
            ModelError: damaged, it can't have that size, or reading it takes too much memory or time.
            UsageError: its class map is wrong.
        """
        return _model(*self.wait(), self._path)

    def wait(self) -> tuple[dict[str, Any], bytes]:
        """The facts, and the graphs one after the other; raises as ``result``."""
        try:
            told, _ = self._process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            what = f"{self._path}: reading it takes more than {LIMIT_S:g} s"
            raise ModelError(what, hint="export the model again") from None
        finally:
            self.close()
        if len(told) < HEADER.size:
            code = self._process.returncode
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            hint = "is there memory enough? is the file whole?"
            raise ModelError(f"{self._path}: the process that read it ended by itself ({how})", hint=hint)
        (length,) = HEADER.unpack_from(told)
        place = HEADER.size + length
        facts = json.loads(told[HEADER.size : place])
        if "error" in facts:
            raise _ERRORS.get(facts["error"], ModelError)(facts["message"], hint=facts["hint"])
        return facts, told[place:]

    def close(self) -> None:
        """End the other process; may be called twice."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _model(facts: dict[str, Any], data: bytes, path: Path) -> LoweredModel:
    found: dict[str, dict[CpuTarget, bytes]] = {"graphs": {}, "together": {}}
    place = 0
    for part, graphs in found.items():
        for target, size in facts[part].items():
            graphs[target] = data[place : place + size]
            place += size
    return LoweredModel(_card(facts["card"], str(path)), path, facts["sha256"], **found, batch=facts["batch"])


def foreign(name: str) -> bool:
    """Whether an ONNX file did not come with this package; raises ModelError where there is none."""
    return not ships(find_model(name))


def look(name: str) -> None:
    """Have a foreign file read, and its shapes inferred, in bounds: if that works, this process may read it as well.

    Raises:
        ModelError: missing, damaged, or reading it takes too much memory or time.
    """
    if foreign(name):
        Reading(name, None, ()).wait()


def read(name: str, size: tuple[int, int] | None, wanted: tuple[CpuTarget, ...]) -> LoweredModel:
    """Begin, and wait; raises as ``Reading`` does."""
    return Reading(name, size, wanted).result()


_ERRORS: Final[dict[str, type[EdgeSegnetError]]] = {"UsageError": UsageError}


def _told(card: ModelCard) -> dict[str, Any]:
    measured = None if card.calibration is None else card.calibration.to_dict()
    return {**asdict(card), "classes": card.classes.to_dict(), "calibration": measured}


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


def _lowered(wish: _Wish) -> tuple[dict[str, Any], list[bytes]]:
    """The facts and the graphs; for no target: whether it can be read at all."""
    from edge_segnet.graph import card as cards
    from edge_segnet.graph.load import read_file

    if not wish.targets:
        read_file(find_model(wish.name))
        return {}, []
    model = cards.load(wish.name)
    if wish.size is not None:
        model = cards.resized(model, wish.size)
    graphs = {target: graph_for(model, target) for target in wish.targets}
    together = {}
    if wish.batch > 1:
        with contextlib.suppress(ModelError):  # it takes one frame at a time: ``graph_for`` says so where it is asked
            together = {target: graph_for(model, target, wish.batch) for target in wish.targets}
    sizes = [{target: len(graph) for target, graph in each.items()} for each in (graphs, together)]
    facts = {"card": _told(model.card), "sha256": model.sha256, "batch": wish.batch}
    return {**facts, "graphs": sizes[0], "together": sizes[1]}, [*graphs.values(), *together.values()]


def _bound_memory(path: Path) -> None:
    limit = ROOM + COPIES * path.stat().st_size
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if most == resource.RLIM_INFINITY or limit < most:
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))


def main() -> None:
    """Read what is wished, and tell it on standard output."""
    end_with_parent()
    told = json.loads(sys.stdin.buffer.readline())
    size = None if told["size"] is None else (told["size"][0], told["size"][1])
    wish = _Wish(told["name"], size, tuple(told["targets"]), told["batch"])
    graphs: list[bytes] = []
    out = os.dup(1)  # whatever a library prints must not come between
    os.dup2(2, 1)
    try:
        path = find_model(wish.name)
        _bound_memory(path)
        facts, graphs = _lowered(wish)
    except EdgeSegnetError as error:
        facts = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
    except MemoryError:
        what = f"{wish.name}: reading it takes too much memory"
        facts = {"error": "ModelError", "message": what, "hint": "export the model again, or use a smaller size"}
    except Exception as error:  # noqa: BLE001 - the border to what comes from outside
        what = f"{wish.name}: it can't be read ({type(error).__name__}: {' '.join(str(error).split())})"
        facts = {"error": "ModelError", "message": what, "hint": "export the model again"}
    text = json.dumps(facts).encode()
    with contextlib.suppress(BrokenPipeError), os.fdopen(out, "wb") as pipe:
        pipe.write(HEADER.pack(len(text)) + text)
        pipe.writelines(graphs)


if __name__ == "__main__":
    main()
