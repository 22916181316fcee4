"""Pictures in and out: what is decoded and what is refused, fitting to the network's size and back, colours."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.errors import InputError, OutputError
from edge_segnet.core.types import Fit
from edge_segnet.pictures.chatter import quiet_decoders
from edge_segnet.pictures.containers import fault
from edge_segnet.pictures.files import read_image, read_lut, write_image
from edge_segnet.pictures.overlay import blend, colourise, draw_legend
from edge_segnet.pictures.shape import fit_image, unfit_labels
from tests.conftest import picture
from tests.support.pictures import read_labels

Side = st.integers(1, 70)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp"])
def test_pictures_come_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    write_image(path, picture(33, 21))
    image = read_image(path)
    assert image.shape == (21, 33, 3) and image.dtype == np.uint8
    if suffix != ".webp":
        assert np.array_equal(image, picture(33, 21))


def test_grey_alpha_and_sixteen_bits(tmp_path: Path) -> None:
    base = picture(12, 9)
    grey = base[:, :, 0]
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "alpha.png"), np.dstack([base, np.full((9, 12), 40, np.uint8)]))
    cv2.imwrite(str(tmp_path / "deep.png"), base.astype(np.uint16) * 257)
    assert np.array_equal(read_image(tmp_path / "grey.png"), np.dstack([grey] * 3))
    assert np.array_equal(read_image(tmp_path / "alpha.png"), base)
    deep = read_image(tmp_path / "deep.png")
    assert deep.dtype == np.uint8 and np.abs(deep.astype(int) - base).max() <= 1


def test_the_camera_may_be_turned(tmp_path: Path) -> None:
    """EXIF orientation 6: the picture is shown a quarter turned."""
    data = cv2.imencode(".jpg", picture(40, 20))[1].tobytes()
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    app1 = b"Exif\0\0" + tiff
    (tmp_path / "x.jpg").write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(app1) + 2) + app1 + data[2:])
    assert read_image(tmp_path / "x.jpg").shape == (40, 20, 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_a_file_cut_anywhere_is_refused(suffix: str) -> None:
    data = cv2.imencode(suffix, picture(60, 40))[1].tobytes()
    assert fault(data) is None
    short = [length for length in range(12, len(data), 7) if fault(data[:length]) is None]
    assert short == []
    assert fault(b"") == "the file is empty"


def test_a_progressive_jpeg_is_whole_at_its_end_only() -> None:
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    data = cv2.imencode(".jpg", picture(90, 70), options)[1].tobytes()
    assert fault(data) is None
    assert all(fault(data[:length]) is not None for length in range(4, len(data), 11))


def test_what_phones_append_to_a_jpeg_does_not_matter() -> None:
    data = cv2.imencode(".jpg", picture(60, 40))[1].tobytes()
    assert fault(data + bytes(100_000)) is None
    cut = data[: len(data) // 2]
    thumbnail = b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data
    assert fault(data[:2] + thumbnail + cut[2:]) == "the JPEG is cut off"


def test_a_truncated_picture_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    path.write_bytes(cv2.imencode(".png", picture(60, 40))[1].tobytes()[:-20])
    with pytest.raises(InputError, match=r"cut\.png: the PNG is cut off: copy or download it again"):
        read_image(path)
    with pytest.raises(InputError, match=r"missing\.png: No such file"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(InputError, match="Is a directory"):
        read_image(tmp_path)


def palette_png(indices: np.ndarray[tuple[int, int], np.dtype[np.uint8]], depth: int) -> bytes:
    """A palette PNG with random colours, as CVAT and VOC write them."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = indices.shape
    bits = (indices[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
    rows = np.packbits(bits.reshape(height, width * depth).astype(np.uint8), axis=1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, 3, 0, 0, 0)
    colours = np.random.default_rng(0).integers(0, 256, 3 << depth, dtype=np.uint8).tobytes()
    parts = [chunk(b"IHDR", header), chunk(b"PLTE", colours), chunk(b"tRNS", b"\0"), chunk(b"IDAT", zlib.compress(raw))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palette_labels_are_their_indices(tmp_path: Path, depth: int) -> None:
    labels = (np.arange(13 * 9, dtype=np.uint8) % min(1 << depth, 12)).reshape(9, 13)
    (tmp_path / "ids.png").write_bytes(palette_png(labels, depth))
    assert np.array_equal(read_labels(tmp_path / "ids.png"), labels)


def test_labels_are_eight_bit_grey(tmp_path: Path) -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    write_image(tmp_path / "ids.png", labels)
    assert np.array_equal(read_labels(tmp_path / "ids.png"), labels)
    for name, wrong in (("deep.png", labels.astype(np.uint16)), ("rgb.png", picture(4, 4))):
        cv2.imwrite(str(tmp_path / name), wrong)
        with pytest.raises(InputError, match="is no label image"):
            read_labels(tmp_path / name)


@pytest.mark.parametrize("shape", [(1, 255), (255, 1), (2, 256), (16, 16), (1, 1)])
def test_palettes_have_one_shape(tmp_path: Path, shape: tuple[int, int]) -> None:
    cv2.imwrite(str(tmp_path / "lut.png"), np.zeros((*shape, 3), np.uint8))
    with pytest.raises(InputError, match=f"a palette of {shape[1]}x{shape[0]} pixels"):
        read_lut(tmp_path / "lut.png")


@given(Side, Side, Side, Side, st.sampled_from(["stretch", "crop"]))
def test_any_picture_fits_any_network_and_comes_back(w: int, h: int, net_w: int, net_h: int, fit: Fit) -> None:
    image = np.zeros((h, w, 3), np.uint8)
    assert fit_image(image, (net_w, net_h), fit).shape == (net_h, net_w, 3)
    back = unfit_labels(np.full((net_h, net_w), 3, np.uint8), (w, h), 11, fit)
    assert back.shape == (h, w)
    assert set(np.unique(back)) <= ({3, 11} if fit == "crop" else {3})
    assert 3 in back


@given(Side, Side, st.integers(1, 4), st.sampled_from(["stretch", "crop"]))
def test_whole_factors_lose_no_label(w: int, h: int, factor: int, fit: Fit) -> None:
    labels = np.random.default_rng(w * 100 + h).integers(0, 11, (h, w), dtype=np.uint8)
    back = unfit_labels(labels, (w * factor, h * factor), 11, fit)
    assert np.array_equal(back, labels.repeat(factor, 0).repeat(factor, 1))


def test_crop_cuts_the_middle() -> None:
    image = np.zeros((10, 40, 3), np.uint8)
    image[:, 10:30] = 200
    assert (fit_image(image, (20, 10), "crop") == 200).all()
    back = unfit_labels(np.full((10, 20), 4, np.uint8), (40, 10), 11, "crop")
    assert (back[:, 10:30] == 4).all() and (back[:, :10] == 11).all() and (back[:, 30:] == 11).all()


def test_colours_blend_and_lookup() -> None:
    labels = np.array([[0, 1], [10, 11]], np.uint8)
    colours = colourise(labels, CAMVID_11.lut_bgr)
    assert colours[0, 1].tolist() == [0, 0, 128] and colours[1, 1].tolist() == [0, 0, 0]
    image = np.full((2, 2, 3), 100, np.uint8)
    assert np.array_equal(blend(image, colours, 0.0), image)
    assert np.array_equal(blend(image, colours, 1.0), colours)
    assert blend(image, colours, 0.5)[0, 1].tolist() == [50, 50, 114]


@pytest.mark.parametrize("shape", [(1, 1), (72, 96), (1440, 1920)])
def test_a_legend_has_room_for_every_class(shape: tuple[int, int]) -> None:
    rows = [(name, "1.0 %", (rgb[2], rgb[1], rgb[0])) for name, rgb in zip(*_camvid(), strict=True)]
    image = np.full((*shape, 3), 250, np.uint8)
    drawn = draw_legend(image, rows)
    assert np.array_equal(drawn[: shape[0], : shape[1]], image)
    panel = drawn[:, shape[1] :].reshape(-1, 3)
    assert set(CAMVID_11.colours) <= {tuple(map(int, colour[::-1])) for colour in np.unique(panel, axis=0)}
    wide = draw_legend(image, [(name, "100.0 %", colour) for name, _, colour in rows])
    assert wide.shape == drawn.shape


def _camvid() -> tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]]:
    return CAMVID_11.names, CAMVID_11.colours


def test_formats_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"can't write \.xyz pictures: use \.png or \.jpg"):
        write_image(tmp_path / "x.xyz", picture())
    assert list(tmp_path.iterdir()) == []


def test_decoders_are_silent_and_only_while_they_decode(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before ")
    with quiet_decoders():
        os.write(2, b"inside ")
        with quiet_decoders():
            os.write(2, b"deeper ")
        os.write(2, b"inside ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"
