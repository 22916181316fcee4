"""A clip in which every pixel moves, so that a picture predicted from damage looks like none of the clip's own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.programs import needed

SMALL = (80, 60)
BLOCK = 5
DIFFERS = 12.0
"""Grey levels, averaged over a block: the codec alone stays below 4."""


def _drawn(frames: int, size: tuple[int, int]) -> bytes:
    width, height = size
    noise = np.random.default_rng(1).integers(0, 255, (90, 120, 3), np.uint8)
    texture = cv2.resize(noise, (1600, 1200), interpolation=cv2.INTER_CUBIC)
    turns = np.arange(frames)
    left = (300 + 280 * np.sin(turns / 37) + turns % 7).astype(int)
    top = (300 + 250 * np.cos(turns / 23)).astype(int)
    return b"".join(texture[y : y + height, x : x + width].tobytes() for x, y in zip(left, top, strict=True))


def _small(image: NDArray[np.uint8]) -> NDArray[np.int16]:
    return np.asarray(cv2.resize(image, SMALL, interpolation=cv2.INTER_AREA), np.int16)


@dataclass
class Clip:
    """H.264 in a Matroska file: ``frames`` at 25 a second, a key frame every ``key``."""

    path: Path
    frames: int = 125
    key: int = 10
    bframes: int = 2
    size: tuple[int, int] = (160, 120)
    more: str = ""
    _clean: NDArray[np.int16] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        needed("gst-launch-1.0")
        raw = self.path.with_suffix(".bgr")
        raw.write_bytes(_drawn(self.frames, self.size))
        width, height = self.size
        subprocess.run(
            f"gst-launch-1.0 -q filesrc location={raw} ! rawvideoparse format=bgr width={width} height={height} "
            "framerate=25/1 ! videoconvert ! video/x-raw,format=I420 ! x264enc speed-preset=1 bitrate=500 "
            f"key-int-max={self.key} bframes={self.bframes} {self.more} ! h264parse ! matroskamux ! "
            f"filesink location={self.path}".split(),
            check=True,
            timeout=60,
        )
        raw.unlink()
        video, clean = cv2.VideoCapture(str(self.path)), []
        while (read := video.read())[0]:
            clean.append(_small(np.asarray(read[1], np.uint8)))
        self._clean = np.stack(clean)

    @property
    def launch(self) -> str:
        """For an RTSP server."""
        return f"( filesrc location={self.path} ! matroskademux ! h264parse ! rtph264pay name=pay0 config-interval=1 )"

    def smeared(self, image: NDArray[np.uint8]) -> bool:
        """Does some block of the picture belong to no frame of the clip?"""
        seen = _small(image)
        nearest = int(np.abs(self._clean - seen).mean((1, 2, 3)).argmin())
        differs = np.abs(self._clean[nearest] - seen).mean(2)
        rows, columns = SMALL[1] // BLOCK, SMALL[0] // BLOCK
        return bool(differs.reshape(rows, BLOCK, columns, BLOCK).mean((1, 3)).max() > DIFFERS)
