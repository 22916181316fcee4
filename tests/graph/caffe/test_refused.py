"""Files that can't be imported: each one line, with the place; nothing is written."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.caffe import import_caffe
from edge_segnet.graph.caffe.weights import MAX_BYTES, read_weights
from tests.graph.caffe.test_layers import CONV, HEAD, B, W, say
from tests.graph.caffe.writer import blob, caffemodel, chunk, layer, varint

GOOD = caffemodel({"c": [W, B]}, {"c": "Convolution"})


def refusal(folder: Path, text: str | bytes, weights: bytes = GOOD) -> str:
    """The one line that an import ends with."""
    model, caffe = folder / "n.prototxt", folder / "n.caffemodel"
    model.write_bytes(text if isinstance(text, bytes) else text.encode())
    caffe.write_bytes(weights)
    with pytest.raises(ModelError) as caught:
        import_caffe(model, caffe)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700
    return str(caught.value)


def after(conv: str = CONV) -> Callable[[str], str]:
    return lambda more: HEAD + conv + more


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (HEAD + CONV + say("x", "Interp", "c", "x", 'interp_param { height: 3 }'), [":3:", "'x' (Interp)", "Resize"]),
        (HEAD + CONV + say("x", "Foo", "c", "x"), [":3:", "'x' (Foo)", "known are", "--spec"]),
        ('layers { name: "x" type: FOO bottom: "c" top: "x" }', [":1:", "layer type FOO", "CONVOLUTION"]),
        (HEAD + CONV.replace("pad:", "pda:"), [":2:", "unknown setting 'pda'"]),
        (HEAD + CONV.replace("pad: 1", "pad: one"), [":2:", "not a prototxt"]),
        (HEAD + CONV[:-4], ["not a prototxt"]),
        ("", ["no layers"]),
        (b"\xff\xfe\x00\x01", ["not text", "--weights"]),
        ("a {" * 30, ["deep"]),
        (HEAD + CONV.replace('bottom: "data"', 'bottom: "dta"'), ["'c' (Convolution)", "'dta'", "no layer before"]),
        (HEAD + CONV + say("b", "BN", "c", "c"), ["'b' (BN)", "LEARN", "compute_bn"]),
        (HEAD.replace("input_dim: 3 ", "input_dim: 1 ") + CONV, ["1 channels"]),
        (HEAD.replace("35", "9") + CONV, ["41x9", "--size"]),
        (HEAD.replace("35", "99999999") + CONV, ["41x99999999", "--size"]),
        (CONV, ["'data'"]),
        (HEAD + CONV.replace("kernel_size: 3", "kernel_size: 0"), ["kernel_size"]),
        (HEAD + CONV + CONV.replace('"c"', '"d"'), ["'d' (Convolution)", "has no weights", "it holds c"]),
        (HEAD + CONV.replace("pad: 1", "stride: 2"), ["41x35", "20x17"]),
        (HEAD + CONV + say("p", "Pooling", "c", "p", 'pooling_param { pool: STOCHASTIC kernel_size: 2 }'), ["random"]),
        (HEAD + CONV + say("u", "Upsample", "c data", "u"), ["'u' (Upsample)", "'data' as mask"]),
        (HEAD + CONV + say("e", "Eltwise", "c data", "e"), ["4x35x41, 3x35x41"]),
        (HEAD + CONV + say("x", "Python", "c", "x", 'python_param { module: "os" layer: "Evil" }'), ["os.Evil"]),
    ],
)  # fmt: skip
def test_descriptions(text: str | bytes, wanted: list[str], tmp_path: Path) -> None:
    said = refusal(tmp_path, text)
    assert str(tmp_path / "n.prototxt") in said
    assert [word for word in wanted if word not in said] == [], said


def test_every_unknown_v1_layer_is_named_with_its_line(tmp_path: Path) -> None:
    said = refusal(tmp_path, 'input: "data"\n\nlayers { name: "ip" type: INNER_PRODUCT bottom: "data" top: "ip" }')
    assert ":3: layer 'ip' (InnerProduct)" in said and "1x1 Convolution" in said


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        (GOOD[:-20], ["bytes are missing"]),
        (GOOD[: len(GOOD) // 2], ["damaged"]),
        (b"", ["0 bytes"]),
        (b"not a caffemodel at all", ["damaged"]),
        (chunk(1, b"net"), ["no layer with weights"]),
        (caffemodel({"c": [W[:, :2], B]}, {"c": ""}), ["blob 0", "[4, 3, 3, 3]", "[4, 2, 3, 3]"]),
        (caffemodel({"c": [W, B[:3]]}, {"c": ""}), ["blob 1", "[4]", "[3]"]),
        (caffemodel({"c": [W]}, {"c": ""}), ["2 blobs", "has 1"]),
        (caffemodel({"c": [W * np.nan, B]}, {"c": ""}), ["not finite"]),
        (chunk(100, chunk(1, b"c") + chunk(7, blob(W, shape=[1 << 40, 1 << 40]))), ["1099511627776", "108 numbers"]),
        (chunk(100, chunk(1, b"c") + chunk(7, chunk(5, b"123"))), ["holds 0 numbers"]),
        (layer("c", "", [W, B]) * 2, ["two layers are called 'c'"]),
        (chunk(100, b"\xff" * 9), ["damaged"]),
        (varint(100 << 3 | 3), ["starts no field"]),
        (chunk(100, chunk(1, b"\xff\xfe") + chunk(7, blob(B))), ["damaged"]),
    ],
)
def test_weights(weights: bytes, wanted: list[str], tmp_path: Path) -> None:
    said = refusal(tmp_path, HEAD + CONV, weights)
    assert str(tmp_path / "n.caffemodel") in said
    assert [word for word in wanted if word not in said] == [], said


@pytest.mark.parametrize("place", ["layers", "names", "blobs", "parts", "dimensions"])
def test_memory_bombs_stop_at_a_count(place: str, tmp_path: Path) -> None:
    """A few megabytes that would become millions of objects."""
    many = 2_000_000
    bomb = {
        "layers": chunk(100, b"") * many,
        "names": chunk(100, chunk(3, b"") * many),
        "blobs": chunk(100, chunk(7, b"") * many),
        "parts": chunk(100, chunk(7, chunk(5, b"") * many)),
        "dimensions": chunk(100, chunk(7, chunk(7, chunk(1, b"\x01" * many)))),
    }[place]
    path = tmp_path / "bomb.caffemodel"
    path.write_bytes(bomb)
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom edge_segnet.core.errors import ModelError\n"
        "from edge_segnet.graph.caffe.weights import read_weights\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_weights(Path(sys.argv[1]))\n"
        "except ModelError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    said, grown_kb = done.stdout.splitlines()
    assert "damaged: " in said and ("more than" in said or "too many" in said)
    assert int(grown_kb) < 3 * len(bomb) / 1024 + 4096


def test_a_file_larger_than_any_network_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.caffemodel"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # sparse: takes no space
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="can't be weights"):
        read_weights(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_never_end_in_a_traceback(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(GOOD)
    for place in rng.integers(0, 60, 3):
        data[place] = rng.integers(0, 256)
    path = tmp_path / "n.caffemodel"
    path.write_bytes(bytes(data))
    try:
        found = read_weights(path)
    except ModelError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(blobs, list) for blobs in found.values())


def test_double_precision_weights_are_read(tmp_path: Path) -> None:
    doubles = chunk(8, struct.pack("<2d", 0.5, -2.0)) + chunk(7, chunk(1, varint(2)))
    path = tmp_path / "d.caffemodel"
    path.write_bytes(chunk(100, chunk(1, b"c") + chunk(7, doubles)))
    np.testing.assert_array_equal(read_weights(path)["c"][0], np.array([0.5, -2.0], np.float32))
