"""One reader of label images: whoever reads them gets the ids that were stored."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_segnet.core.errors import InputError
from edge_segnet.data.masks import read_ids, read_mask
from edge_segnet.data.pairs import Pair
from tests.conftest import picture
from tests.support.command import edge_segnet


def ids() -> NDArray[np.uint8]:
    blocks = np.random.default_rng(0).integers(0, 12, (6, 8)).astype(np.uint8)
    return np.kron(blocks, np.ones((20, 20), np.uint8))


def four_bits(path: Path, rows: NDArray[np.uint8], palette: bytes) -> None:
    """A palette PNG of 4 bits a pixel."""
    packed = b"".join(b"\0" + (row[0::2] << 4 | row[1::2]).astype(np.uint8).tobytes() for row in rows)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], 4, 3, 0, 0, 0)),
        (b"PLTE", palette),
        (b"IDAT", zlib.compress(packed)),
        (b"IEND", b""),
    ]
    made = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(made))


def test_a_permuted_grey_palette_holds_its_greys(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(12).astype(np.uint8)
    place = np.argsort(order).astype(np.uint8)
    four_bits(tmp_path / "a.png", place[ids()], b"".join(bytes([value] * 3) for value in order))
    assert read_mask(tmp_path / "a.png").stored == "palette of 12 greys"
    assert np.array_equal(read_ids(tmp_path / "a.png"), ids())


def test_a_file_that_oxipng_made_smaller_holds_the_same_ids(tmp_path: Path) -> None:
    oxipng = pytest.importorskip("oxipng", reason="pyoxipng is not installed (extra: test)")
    path = tmp_path / "a.png"
    for void in (11, 255):
        truth = np.where(ids() == 11, np.uint8(void), ids())
        cv2.imwrite(str(path), truth)
        before = path.stat().st_size
        oxipng.optimize(path, level=6, filter=[oxipng.RowFilter.NoOp])
        assert path.stat().st_size < before
        assert np.array_equal(read_ids(path), truth)


def test_other_palettes_hold_indices_and_deep_greys_ids(tmp_path: Path) -> None:
    colours = np.random.default_rng(2).integers(0, 256, (12, 3)).astype(np.uint8)
    colours[:, 0] = 255 - colours[:, 1]
    four_bits(tmp_path / "a.png", ids(), colours.tobytes())
    cv2.imwrite(str(tmp_path / "b.png"), ids().astype(np.uint16))
    cv2.imwrite(str(tmp_path / "c.png"), np.repeat(ids()[..., None], 3, axis=2))
    for name in ("a.png", "b.png", "c.png"):
        assert np.array_equal(read_ids(tmp_path / name), ids())


def test_an_index_beyond_its_grey_palette_and_colours_are_refused(tmp_path: Path) -> None:
    four_bits(tmp_path / "a.png", ids(), bytes(range(4)) * 3)
    four_bits(tmp_path / "b.png", ids(), b"".join(bytes([value] * 3) for value in range(4)))
    cv2.imwrite(str(tmp_path / "c.png"), picture())
    with pytest.raises(InputError, match="index 11 in a palette of 4"):
        read_ids(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"8-bit RGB holds colours, not class ids: .*labels convert"):
        read_ids(tmp_path / "c.png")


@pytest.mark.parametrize("form", ["grey palette", "16 bits", "three channels"])
def test_inspect_lint_pairs_and_convert_agree(tmp_path: Path, form: str) -> None:
    root = tmp_path / "set"
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    label = root / "labels/a.png"
    cv2.imwrite(str(root / "images/a.png"), picture(160, 120))
    truth = ids()
    if form == "grey palette":
        four_bits(label, 11 - truth, b"".join(bytes([11 - value] * 3) for value in range(12)))
    else:
        cv2.imwrite(
            str(label), truth.astype(np.uint16) if form == "16 bits" else np.repeat(truth[..., None], 3, axis=2)
        )
    counts = {str(value): int(number) for value, number in enumerate(np.bincount(truth.ravel())) if number}
    seen = edge_segnet("labels", "inspect", root, "--json", "-").documents[0]["values"]
    assert {value: row["pixels"] for value, row in seen.items()} == counts
    report = edge_segnet("labels", "lint", root, "--classes", "camvid-11", "--json", "-").documents[0]
    assert report["classes"]["Sky"]["pixels"] == counts["0"]
    assert np.array_equal(Pair(root / "images/a.png", label).read(11, 11)[1], truth)
    done = edge_segnet("labels", "convert", root, "--classes", "camvid-11", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert np.array_equal(read_ids(tmp_path / "out/labels/a.png"), truth)


def test_inspect_takes_a_single_file(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), ids())
    done = edge_segnet("labels", "inspect", tmp_path / "one.png", "--classes", "camvid-11", "--json", "-")
    assert done.code == 0, done.err
    assert done.documents[0]["images"][0]["file"].endswith("one.png")
    assert done.documents[0]["values"]["0"]["class"] == "Sky"


def test_unknown_colours_become_void_when_asked_and_are_counted(tmp_path: Path) -> None:
    colours = np.zeros((40, 40, 3), np.uint8)
    colours[:20] = (128, 128, 128)
    colours[30:, 30:] = (1, 2, 3)
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in/a.png"), colours)
    command = ("labels", "convert", tmp_path / "in", "--classes", "camvid-11", "-o", tmp_path / "out")
    done = edge_segnet(*command)
    assert done.code == 5 and "--unknown-to-void" in done.err
    done = edge_segnet(*command, "--unknown-to-void", "--json", "-")
    assert done.code == 0 and done.documents[0]["made_void"] == 100
    assert "100 pixels that are no class of camvid-11 became void" in done.err
    values = read_ids(tmp_path / "out/a.png")
    assert set(np.unique(values)) == {0, 11} and (values == 11).sum() == 800
