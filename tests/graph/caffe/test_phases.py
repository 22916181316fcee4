"""What of a prototxt runs when the network is used, and prototxts as forks and editors write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.caffe import Imported, import_caffe
from tests.graph.caffe.test_layers import CONV, HEAD, B, W, say
from tests.graph.caffe.writer import caffemodel

KINDS = {"c": "Convolution"}
READER = 'top: "label" data_param { source: "db" batch_size: 4 backend: LMDB }'


def imported(folder: Path, text: str | bytes, extra: dict[str, list[np.ndarray]] | None = None) -> Imported:
    model, weights = folder / "n.prototxt", folder / "n.caffemodel"
    model.write_bytes(text if isinstance(text, bytes) else text.encode())
    more = extra or {}
    weights.write_bytes(caffemodel({"c": [W, B], **more}, KINDS | dict.fromkeys(more, "BatchNorm")))
    return import_caffe(model, weights)


def rule(words: str) -> str:
    """A layer of an unknown type with unknown settings, under a rule."""
    return f'layer {{ name: "x" type: "Odd" bottom: "c" top: "x" odd_param {{ a: 1 }} {words} }}\n'


@pytest.mark.parametrize(
    "words",
    [
        "include { phase: TRAIN }",
        "exclude { phase: TEST }",
        "include { phase: TRAIN } include { min_level: 1 }",
        'include { stage: "val" }',
        'include { phase: TEST stage: "deploy" }',
        "include { max_level: -1 }",
        'exclude { not_stage: "val" }',
        'include: { phase: TRAIN , stage: "a" }',
    ],
)
def test_layers_that_do_not_run_are_not_judged(words: str, tmp_path: Path) -> None:
    plain = imported(tmp_path, HEAD + CONV)
    assert imported(tmp_path, HEAD + CONV + rule(words)).model == plain.model
    assert imported(tmp_path, HEAD + rule(words).replace("\n", " ") + CONV).model == plain.model  # on one line


@pytest.mark.parametrize(
    "words",
    [
        "",
        "include { phase: TEST }",
        "exclude { phase: TRAIN }",
        "include { min_level: 0 }",
        'include { not_stage: "a" }',
    ],
)
def test_layers_that_run_are_judged(words: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"n\.prototxt:\d+: layer 'x' \(Odd\)"):
        imported(tmp_path, HEAD + CONV + rule(words))


def test_the_nets_own_stages_and_level_count(tmp_path: Path) -> None:
    state = 'state { level: 2 stage: "deploy" }\n'
    for words in ('include { stage: "deploy" }', "include { min_level: 2 }"):
        with pytest.raises(ModelError, match="'x' \\(Odd\\)"):
            imported(tmp_path, state + HEAD + CONV + rule(words))
    imported(tmp_path, state + HEAD + CONV + rule('exclude { stage: "deploy" }'))


@pytest.mark.parametrize("kind", ["Data", "ImageData"])
def test_a_reader_of_the_test_phase_becomes_the_input(kind: str, tmp_path: Path) -> None:
    train = f'layer {{ name: "t" type: "Data" top: "data" {READER} include {{ phase: TRAIN }} }}\n'
    settings = 'image_data_param { source: "l" new_width: 41 new_height: 35 }'
    if kind == "Data":
        settings = 'data_param { source: "db" backend: LMDB } transform_param { crop_size: 40 }'
    test = f'layer {{ name: "d" type: "{kind}" top: "data" top: "label" {settings} include {{ phase: TEST }} }}\n'
    loss = 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "c" bottom: "label" top: "l" loss_param { odd: 1 } }\n'
    found = imported(tmp_path, train + test + CONV + loss)
    assert found.size == ((40, 40) if kind == "Data" else (41, 35))


@pytest.mark.parametrize(
    "form",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.encode("utf-16"),
        lambda text: b"# gr\xf6\xdfer\n" + text.encode(),
        lambda text: text.replace("{", ": {").replace("layer :", "layer:").replace('"c"', "'c'").encode(),
        lambda text: text.replace("pad: 1", "pad: 1;").replace("kernel_size: 3", "kernel_size: [3]").encode(),
    ],
    ids=["mark", "windows", "old mac", "utf-16", "latin-1", "colons and quotes", "semicolons and lists"],
)
def test_files_as_editors_write_them(form: object, tmp_path: Path) -> None:
    assert callable(form)
    text = "# one\n# two\n" + HEAD + CONV
    assert imported(tmp_path, form(text)).model == imported(tmp_path, text).model


@pytest.mark.parametrize(("fill", "said"), [(0.0, "they were absorbed"), (None, "their statistics are not empty")])
def test_batch_norms_that_were_absorbed_are_called_so(fill: float | None, said: str, tmp_path: Path) -> None:
    values = np.arange(4, dtype=np.float32) if fill is None else np.full(4, fill, np.float32)
    extra = {f"bn{index}": [values, values, np.ones(1, np.float32)] for index in range(5)}
    (note,) = imported(tmp_path, HEAD + CONV, extra).notes
    assert "5 BatchNorm or scale layers of n.caffemodel are not in the prototxt (bn0, bn1, bn2 and so on)" in note
    assert said in note


def test_only_a_training_half_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no layer runs in the test phase"):
        imported(tmp_path, say("x", "Odd", "c", "x", "include { phase: TRAIN }"))
