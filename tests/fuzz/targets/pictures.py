"""Pictures, label images, videos: containers whose parts are changed."""

from __future__ import annotations

import contextlib
import random
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from edge_segnet.cli.labels_inspect import Inspect
from edge_segnet.core.classes import CAMVID_12
from edge_segnet.core.errors import BadFrame, EdgeSegnetError, EndOfStream
from edge_segnet.data.labels.lint import collect, lint
from edge_segnet.data.labels.recode import plan, recode
from edge_segnet.data.pairs import find_splits
from edge_segnet.pictures.containers import grey_as_palette
from edge_segnet.pictures.files import read_image
from edge_segnet.sources.video_file import VideoFile
from tests.conftest import picture
from tests.fuzz.mutate import mutated, mutated_png, png
from tests.support.pictures import read_labels


def _encoded(array: Any, suffix: str, *options: Any) -> bytes:
    return cv2.imencode(suffix, array, *options)[1].tobytes()


def _packed(depth: int) -> bytes:
    """A palette PNG of 30x20 with 1, 2 or 4 bits a pixel."""
    head = struct.pack(">IIBBBBB", 30, 20, depth, 3, 0, 0, 0)
    rows = (b"\0" + bytes((30 * depth + 7) // 8)) * 20
    return png([(b"IHDR", head), (b"PLTE", bytes(3 << depth)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])


class Labels:
    """``labels inspect``, ``lint``, ``convert``; label images as ``evaluate`` reads them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "data"
        self._sheet, self._out = folder / "sheet.png", folder / "out.png"
        ids = np.random.default_rng(0).integers(0, 13, (20, 30), np.uint8)
        colours = np.ascontiguousarray(CAMVID_12.lut_rgb[ids][..., ::-1])
        grey = _encoded(ids, ".png")
        self._picture = _encoded(colours, ".png")
        self._seeds = [
            *(grey, grey_as_palette(grey, CAMVID_12.lut_rgb.tobytes()), self._picture, *map(_packed, (1, 2, 4))),
            *(_encoded(ids.astype(np.uint16), ".png"), _encoded(np.dstack([colours, ids]), ".png")),
        ]
        self._others = [
            *((_encoded(colours, suffix), suffix) for suffix in (".bmp", ".jpg", ".webp")),
            *((_encoded(ids, ".tiff"), ".tif"), (_encoded(ids.astype(np.float32), ".tiff"), ".tif")),
        ]

    def make(self, rng: random.Random) -> tuple[Path, Any]:
        shutil.rmtree(self._folder, ignore_errors=True)
        for name in ("labels", "images"):
            (self._folder / name).mkdir(parents=True)
        data, suffix = mutated_png(rng, rng.choice(self._seeds)), ".png"
        if rng.random() < 0.25:
            data, suffix = rng.choice(self._others)
            data = mutated(rng, data)
        labels = self._folder / "labels" / f"a{suffix}"
        labels.write_bytes(data)
        image = self._picture if rng.random() < 0.6 else mutated_png(rng, self._picture)
        (self._folder / "images" / "a.png").write_bytes(image)
        return labels, rng.choice(("ids", "palette", "colours"))

    def run(self, case: tuple[Path, Any]) -> None:
        labels, form = case
        report = lint(*collect(find_splits(self._folder)), CAMVID_12, 12)
        report.to_document()
        with contextlib.suppress(EdgeSegnetError):
            Inspect(self._folder, "camvid-12", self._sheet, each=True).run()
        with contextlib.suppress(EdgeSegnetError):
            recode(labels, self._out, plan(CAMVID_12, CAMVID_12, form=form))
        read_labels(labels)


EXIF: Final = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"


class Pictures:
    """``segment`` on pictures of every kind that it reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        image = picture(32, 24)
        deep, real = image.astype(np.uint16), image.astype(np.float32)
        jpeg = _encoded(image, ".jpg")
        turned = jpeg[:2] + b"\xff\xe1" + (len(EXIF) + 2).to_bytes(2, "big") + EXIF + jpeg[2:]
        self._seeds = [
            *((_encoded(image, suffix), suffix) for suffix in (".png", ".webp", ".bmp", ".tiff")),
            *((_encoded(each, ".png"), ".png") for each in (image[..., 0], deep, np.dstack([image, image[..., 0]]))),
            *((_encoded(each, ".tiff"), ".tif") for each in (deep, real)),
            *((jpeg, ".jpg"), (turned, ".jpg"), (_encoded(image, ".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]), ".jpg")),
            *((_encoded(image, ".ppm"), ".png"), (_encoded(image[..., 0], ".pgm"), ".png")),
        ]

    def make(self, rng: random.Random) -> Path:
        data, suffix = rng.choice(self._seeds)
        path = self._folder / f"a{suffix}"
        path.write_bytes(mutated_png(rng, data) if data[1:4] == b"PNG" else mutated(rng, data))
        return path

    def run(self, case: Path) -> None:
        read_image(case)


class Videos:
    """``segment`` and cameras from video files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seeds = []
        kinds = (
            (".mp4", "mp4v"),
            (".mkv", "mp4v"),
            (".avi", "MJPG"),
            (".avi", "XVID"),
            (".webm", "VP80"),
            (".mkv", "FFV1"),
        )
        for suffix, code in kinds:
            path = folder / f"seed{code}{suffix}"
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 10, (64, 48))
            for number in range(10):
                writer.write(picture(64, 48, number))
            writer.release()
            if path.exists() and path.stat().st_size:
                self._seeds.append((path.read_bytes(), suffix))

    def make(self, rng: random.Random) -> Path:
        data, suffix = rng.choice(self._seeds)
        head = rng.choice((200, 400, 1000))
        path = self._folder / f"video{suffix}"
        path.write_bytes(mutated(rng, data[:head]) + data[head:] if rng.random() < 0.5 else mutated(rng, data))
        return path

    def run(self, case: Path) -> None:
        source = VideoFile(case, (32, 32))
        try:
            for _ in range(12):
                with contextlib.suppress(BadFrame):
                    source.read()
        except EndOfStream:
            pass
        finally:
            source.close()
