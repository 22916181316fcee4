"""The text format: a prototxt as the layers that run at test time, in order, each with its line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.protobuf import text_format  # type: ignore[import-untyped]

from edge_segnet.core.errors import ModelError, first_line
from edge_segnet.graph.caffe.schema import V1_TYPES, Net

MAX_BYTES: Final = 1 << 20
"""Of text; ENet, the longest of the family, has 70 kB."""
WITHOUT_RESULT: Final = frozenset(
    {
        "SoftmaxWithLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss", "MultinomialLogisticLoss",
        "SigmoidCrossEntropyLoss", "ContrastiveLoss", "Accuracy", "Silence",
    }
)  # fmt: skip
MAX_LAYERS: Final = 2000
"""No network of the family comes near; a short file could ask for far more."""
_TEST: Final = 1
"""``Phase`` of caffe.proto."""
_TOKEN: Final = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[{}<>]|\w+|\n""")
_DEPTH: Final = 8
"""Braces inside each other; a real file has three."""
_V1_NAMES: Final = {
    "BN": "BN",
    "LRN": "LRN",
    "RELU": "ReLU",
    "ARGMAX": "ArgMax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "HDF5_DATA": "HDF5Data",
}


@dataclass(frozen=True)
class Layer:
    """A layer of the test phase; ``settings`` is its message, whose ``*_param`` fields hold defaults where unset."""

    name: str
    kind: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    settings: Any
    where: str
    """``FILE:LINE``, for messages."""

    def error(self, what: str, hint: str = "") -> ModelError:
        """An error that names file, line, layer and type."""
        return ModelError(f"{self.where}: layer '{_short(self.name)}' ({_short(self.kind)}) {what}", hint=hint)


@dataclass(frozen=True)
class Prototxt:
    """``inputs``: name and shape [N,C,H,W] of the blobs that the net declares without a layer."""

    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[tuple[str, tuple[int, ...]], ...]


def read_prototxt(path: Path, check: Callable[[Layer], None]) -> Prototxt:
    """Parse a network description; ``check`` refuses layers that nobody can translate.

    Raises:
        ModelError: missing, too large, not a prototxt, or with a setting that is unknown; one line with file and line.
    """
    text = _read(path)
    spans = _layer_spans(path, text)
    # Lenient first: an unknown layer has unknown settings, and the layer is the better thing to complain about.
    net = _parse(path, text, lenient=True)
    placed, others = _sort_out(path, net, spans)
    for layer, _ in placed:
        check(layer)
    # What does not run when the network is used, or gives no result then, may be set up in any way.
    others += [span for layer, span in placed if layer.kind in WITHOUT_RESULT]
    _parse(path, _without(text, others), lenient=False)
    return Prototxt(net.name or path.stem, tuple(layer for layer, _ in placed), tuple(_inputs(path, net)))


@dataclass(frozen=True)
class _Span:
    """Where a layer stands in the text: its first line, and its letters from ``layer`` to the last brace."""

    field: str
    line: int
    start: int
    end: int


def _without(text: str, spans: list[_Span]) -> str:
    """The text with these layers blanked; lines keep their numbers."""
    for span in spans:
        blank = re.sub(r"[^\n]", " ", text[span.start : span.end])
        text = text[: span.start] + blank + text[span.end :]
    return text


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            raise ModelError(f"{path}: {'not a file' if path.exists() else 'no such file'}", hint="give a .prototxt")
        if (size := path.stat().st_size) > MAX_BYTES:
            raise ModelError(f"{path}: {size} bytes are no network description", hint="is it the .caffemodel?")
        return _decoded(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}", hint="check the file and its rights") from None
    except ValueError:
        raise ModelError(f"{path}: not text", hint="--model is the .prototxt, --weights the .caffemodel") from None


def _decoded(data: bytes) -> str:
    """As editors write it: UTF-8 with or without a mark, UTF-16 with one, an old 8-bit alphabet in comments; any line
    ends. Raises ValueError: no text.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16")
        if "layer" not in text:
            raise ValueError
    else:
        if b"\0" in data:
            raise ValueError
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    if any(ord(letter) < 32 and letter not in "\t\n\r\f\v" for letter in text):
        raise ValueError
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _layer_spans(path: Path, text: str) -> list[_Span]:
    """Every ``layer {`` and ``layers {``; refuses braces that are too deep for the parser's recursion."""
    found: list[_Span] = []
    line, depth, word, begun = 1, 0, "", (0, 0)
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "\n":
            line += 1
        elif token in "{<":
            depth += 1
            if depth > _DEPTH:
                raise ModelError(f"{path}:{line}: braces inside each other {depth} deep", hint="this is no network")
        elif token in "}>":
            depth -= 1
            if depth == 0 and word in ("layer", "layers"):
                found.append(_Span(word, begun[0], begun[1], match.end()))
        elif token[0] not in "#\"'" and depth == 0:
            word, begun = token, (line, match.start())
    if len(found) > MAX_LAYERS:
        raise ModelError(f"{path}: more than {MAX_LAYERS} layers", hint="this is no network of the SegNet family")
    return found


def _parse(path: Path, text: str, *, lenient: bool) -> Any:
    net = Net()
    try:
        text_format.Parse(text, net, allow_unknown_field=lenient)
    except text_format.ParseError as error:
        raise _explain(path, error) from None
    except (RecursionError, ValueError, OverflowError) as error:
        raise ModelError(f"{path}: not a prototxt ({first_line(error)})") from None
    return net


_UNKNOWN_FIELD: Final = re.compile(r'Message type "\S+" has no field named "(\w+)"')
_UNKNOWN_VALUE: Final = re.compile(r'Enum type "\S+\.(\w+)" has no value named (\w+)')


def _explain(path: Path, error: text_format.ParseError) -> ModelError:
    """protobuf's ``LINE:COLUMN : 'TEXT': REASON`` as our line."""
    place, said = f"{path}:{error.GetLine() or 1}", first_line(error)
    if found := _UNKNOWN_FIELD.search(said):
        return ModelError(f"{place}: unknown setting '{found[1]}'", hint="is it misspelt? it might change the result")
    if found := _UNKNOWN_VALUE.search(said):
        what = "layer type" if found[1] == "V1Type" else "value"
        return ModelError(
            f"{place}: unknown {what} {found[2]}", hint=f"known are {', '.join(V1_TYPES)}" * (what != "value")
        )
    reason = re.sub(r"^\d+:\d+ : ", "", said)[:160]
    return ModelError(f"{place}: not a prototxt ({reason})", hint="copy or download the file again")


def _sort_out(path: Path, net: Any, spans: list[_Span]) -> tuple[list[tuple[Layer, _Span]], list[_Span]]:
    """The layers that run at test time with their places, and where the others stand."""
    if net.layer and net.layers:
        raise ModelError(f"{path}: both 'layer' and the old 'layers'", hint="upgrade it with one Caffe tool, whole")
    field = "layer" if net.layer else "layers"
    if not getattr(net, field):
        raise ModelError(f"{path}: no layers", hint="--model is the .prototxt that describes the network")
    layers, others = [], []
    for message, span in zip(getattr(net, field), spans, strict=False):
        if not _runs_at_test(message, net.state):
            others.append(span)
            continue
        kind = message.type if field == "layer" else _v1_kind(message.type)
        where = f"{path}:{span.line}"
        layer = Layer(message.name, kind, tuple(message.bottom), tuple(message.top), message, where)
        layers.append((layer, span))
    if not layers:
        raise ModelError(f"{path}: no layer runs in the test phase", hint="is it the training half of a network?")
    return layers, others


def _v1_kind(number: int) -> str:
    """The new spelling of an old layer type: CONVOLUTION -> Convolution, DENSE_IMAGE_DATA -> DenseImageData."""
    name = Net().layers.add(type=number).DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[number].name
    assert name in V1_TYPES
    return _V1_NAMES.get(name, "".join(part.capitalize() for part in name.split("_")))


def _runs_at_test(message: Any, state: Any) -> bool:
    """Caffe's rule: included if any ``include`` matches, or none is given and no ``exclude`` matches. A rule matches
    the phase, the net's level and its stages, as far as it speaks of them (caffe.proto, NetStateRule).
    """
    stages, level = set(state.stage), int(state.level)

    def matches(rule: Any) -> bool:
        return (
            (not rule.HasField("phase") or rule.phase == _TEST)
            and (not rule.HasField("min_level") or level >= rule.min_level)
            and (not rule.HasField("max_level") or level <= rule.max_level)
            and stages.issuperset(rule.stage)
            and stages.isdisjoint(rule.not_stage)
        )

    if message.include:
        return any(matches(rule) for rule in message.include)
    return not any(matches(rule) for rule in message.exclude)


def _inputs(path: Path, net: Any) -> Iterator[tuple[str, tuple[int, ...]]]:
    """``input`` with ``input_shape`` or four ``input_dim`` each."""
    dims = list(net.input_dim)
    for index, name in enumerate(net.input):
        shape = list(net.input_shape[index].dim) if index < len(net.input_shape) else dims[4 * index : 4 * index + 4]
        if len(shape) != 4:
            hint = "give input_dim: 1, 3, height, width"
            raise ModelError(f"{path}: input '{_short(name)}' has {len(shape)} dimensions, not 4", hint=hint)
        yield name, tuple(shape)


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:57]}..."


def _count_readers(description: Prototxt) -> Counter[tuple[int, int]]:
    """How many layers read each (layer, top); -1 for the inputs that the net declares itself. Losses don't count."""
    made = {name: (-1, index) for index, (name, _) in enumerate(description.inputs)}
    readers: Counter[tuple[int, int]] = Counter()
    for index, layer in enumerate(description.layers):
        if layer.kind not in WITHOUT_RESULT:
            readers.update(made[name] for name in layer.bottoms if name in made)
        made.update({name: (index, top) for top, name in enumerate(layer.tops)})
    return readers
