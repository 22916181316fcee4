"""The program that reads a model for another process (``backends.reading``): told what on standard input, it answers on
standard output, and what a file makes the libraries take, memory or time, ends with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_segnet.backends.reading import HEADER, Wish, graph_for
from edge_segnet.core.errors import EdgeSegnetError, ModelError
from edge_segnet.core.processes import end_with_parent
from edge_segnet.graph.model_files import ModelCard, OnnxModel, find_model

if TYPE_CHECKING:
    from edge_segnet.graph.load import OnnxFile

ROOM: Final = 3 << 29
"""Bytes of address space beside what the file itself takes: the libraries have one, shapes and the graph the rest."""
COPIES: Final = 16
"""Of the file's bytes: read, parsed, checked, resized, lowered and serialised it lies there several times."""


def _told(card: ModelCard) -> dict[str, Any]:
    measured = None if card.calibration is None else card.calibration.to_dict()
    return {**asdict(card), "classes": card.classes.to_dict(), "calibration": measured}


def answer(wish: Wish) -> tuple[dict[str, Any], list[bytes]]:
    """The facts and the graphs."""
    from edge_segnet.graph import card as cards
    from edge_segnet.graph.load import read_file

    if wish.targets == "file":
        return _held(read_file(find_model(wish.name)), None)
    model = cards.load(wish.name, wish.size)
    if wish.targets == "model":
        return _held(model, model.card)
    graphs = {target: graph_for(model, target) for target in wish.targets}
    together = {}
    if wish.batch > 1:
        with contextlib.suppress(ModelError):  # it takes one frame at a time: ``graph_for`` says so where it is asked
            together = {target: graph_for(model, target, wish.batch) for target in wish.targets}
    sizes = [{target: len(graph) for target, graph in each.items()} for each in (graphs, together)]
    facts = {"card": _told(model.card), "sha256": model.sha256, "batch": wish.batch}
    return {**facts, "graphs": sizes[0], "together": sizes[1]}, [*graphs.values(), *together.values()]


def _held(read: OnnxFile | OnnxModel, card: ModelCard | None) -> tuple[dict[str, Any], list[bytes]]:
    assert read.view is not None
    parts = {"proto": read.proto.SerializeToString(), "shapes": read.view.shapes.SerializeToString()}
    facts = {"card": None if card is None else _told(card), "sha256": read.sha256, "together": {}}
    return {**facts, "graphs": {name: len(part) for name, part in parts.items()}}, list(parts.values())


def _bound_memory(path: Path) -> None:
    limit = ROOM + COPIES * path.stat().st_size
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if most == resource.RLIM_INFINITY or limit < most:
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))


def main() -> None:
    """Read what is wished, and tell it on standard output."""
    end_with_parent()
    from edge_segnet.graph import card, head, lower  # noqa: F401 - loaded before the wish comes

    line = sys.stdin.buffer.readline()
    if not line:
        return  # nobody had one
    told = json.loads(line)
    size = None if told["size"] is None else (told["size"][0], told["size"][1])
    wanted: Any = told["targets"] if isinstance(told["targets"], str) else tuple(told["targets"])
    wish = Wish(told["name"], size, wanted, told["batch"])
    graphs: list[bytes] = []
    out = os.dup(1)  # whatever a library prints must not come between
    os.dup2(2, 1)
    try:
        path = find_model(wish.name)
        _bound_memory(path)
        facts, graphs = answer(wish)
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
