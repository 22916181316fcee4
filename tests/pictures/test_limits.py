"""Pictures that are not whole, and pictures that claim more than anyone has: refused, most of them undecoded."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_segnet.core.errors import InputError
from edge_segnet.pictures import jpeg
from edge_segnet.pictures.containers import size_of
from edge_segnet.pictures.files import read_image, read_stored

NOISE = cv2.resize(np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8), (640, 480))


def coded(*options: int, suffix: str = ".jpg") -> bytes:
    return bytes(cv2.imencode(suffix, NOISE, list(options))[1].tobytes())


PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = (cv2.IMWRITE_JPEG_RST_INTERVAL, 10)
END = b"\xff\xd9"


@pytest.mark.parametrize("options", [(), PROGRESSIVE, RESTARTS])
def test_a_jpeg_that_is_cut_and_closed_again(tmp_path: Path, options: tuple[int, ...]) -> None:
    """As a USB camera sends it when its cable is bad: libjpeg fills the rest with grey."""
    whole, file = coded(*options), tmp_path / "a.jpg"
    file.write_bytes(whole)
    assert read_image(file).shape == (480, 640, 3)
    for part in (0.2, 0.33, 0.5, 0.8, 0.97):
        file.write_bytes(whole[: int(part * len(whole))] + END)
        with pytest.raises(InputError, match=r"JPEG is damaged|lacks scans|too little data"):
            read_image(file)


def test_a_progressive_jpeg_without_its_last_scans(tmp_path: Path) -> None:
    """Nothing breaks off, and libjpeg says nothing: the picture is only blurred."""
    whole, file = coded(*PROGRESSIVE), tmp_path / "a.jpg"
    scans = [found.start() for found in re.finditer(b"\xff\xda", whole)]
    assert len(scans) > 5
    for kept in range(1, len(scans)):
        file.write_bytes(whole[: scans[kept]] + END)
        with pytest.raises(InputError, match=r"lacks scans of [123] of 3 components"):
            read_image(file)


def test_what_cheap_cameras_add_is_no_damage(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(coded()[:-2] + b"\x01\x02\x03" + END)
    expected = cv2.imdecode(np.frombuffer(coded(), np.uint8), cv2.IMREAD_COLOR)
    assert expected is not None and np.array_equal(read_image(file), expected)


def claiming(width: int, height: int) -> bytes:
    """The smallest picture, with another size in its header."""
    data = bytearray(bytes(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def test_a_few_hundred_bytes_of_a_gigapixel(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(claiming(32768, 32768))
    with pytest.raises(InputError, match=r"too little data for 32768x32768|more than 100 million"):
        read_image(file)
    # Small enough to be believed, but there is no data for it.
    file.write_bytes(claiming(8000, 8000))
    with pytest.raises(InputError, match="too little data for 8000x8000 pixels"):
        read_image(file)


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress(bytes((width + 1) * min(height, 100)))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("read", [read_image, read_stored])
def test_a_png_of_a_gigapixel_takes_no_memory(tmp_path: Path, read: object) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png(30000, 30000))
    code = (
        "import sys; from pathlib import Path; from edge_segnet.pictures.files import *\n"
        "from edge_segnet.core.errors import InputError\n"
        f"try: {read.__name__}(Path(sys.argv[1]))\n"  # type: ignore[attr-defined]
        "except InputError as error: print(error)\n"
        # Not getrusage: its peak is inherited from the process that was forked, which may be a large one.
        "print(int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True, timeout=60
    )
    says, peak_mb = done.stdout.splitlines()
    assert "30000x30000 pixels are more than 100 million: shrink it" in says
    assert int(peak_mb) < 250


def test_the_limit_is_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png(200, 100))
    code = (
        "import sys; from pathlib import Path; from edge_segnet.pictures.files import read_image\n"
        "print(read_image(Path(sys.argv[1])).shape)"
    )
    command = [sys.executable, "-c", code, str(file)]
    env = os.environ | {"OPENCV_IO_MAX_IMAGE_PIXELS": "19999"}
    small = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert "200x100 pixels are more than 0.019999 million" in small.stderr
    env |= {"OPENCV_IO_MAX_IMAGE_PIXELS": "20000"}
    assert (
        "(100, 200, 3)"
        in subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=env).stdout
    )


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_sizes_are_known_without_decoding(suffix: str) -> None:
    data = coded(suffix=suffix)
    assert size_of(data) == (640, 480)
    for cut in range(0, 64, 3):
        size_of(data[:cut])


def test_webp_without_loss_and_a_tall_tiff() -> None:
    assert size_of(coded(cv2.IMWRITE_WEBP_QUALITY, 101, suffix=".webp")) == (640, 480)
    tall = bytes(cv2.imencode(".tiff", np.zeros((70000, 3, 3), np.uint8))[1].tobytes())
    assert size_of(tall) == (3, 70000)


def test_nonsense_is_examined_without_harm() -> None:
    random = np.random.default_rng(2)
    whole = coded()
    for _ in range(300):
        data = bytearray(whole[: random.integers(2, 3000)])
        for _ in range(20):
            data[random.integers(2, len(data))] = random.integers(0, 256)
        jpeg.examine(bytes(data))
