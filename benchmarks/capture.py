"""What a picture of an MJPEG camera costs between the camera's bytes and the network's frame, on one core."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from benchmarks.figure import Figure
from edge_segnet.core.types import Image
from edge_segnet.pictures import jpeg
from edge_segnet.pictures.shape import fit_image
from edge_segnet.sources.jpeg_pictures import JpegPictures
from edge_segnet.sources.live import FrameFormat, Terms
from edge_segnet.street import Street

SOURCE, NETWORK = (1920, 1080), (480, 360)
QUALITY = 80
TURNS = 60
NOISE = 0.4


def run(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """Examined, decoded at the scale that is enough, and fitted; against the whole picture decoded, in turns."""
    data = camera_jpeg()
    pictures, wish = JpegPictures(Terms()), FrameFormat(NETWORK, "stretch", "none", "camera")
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        ours, whole = [], []
        for _ in range(TURNS):
            began = time.thread_time()
            pictures.picture(data, wish)
            between = time.thread_time()
            _decoded_whole(data)
            ours.append(1e3 * (between - began))
            whole.append(1e3 * (time.thread_time() - between))
    finally:
        cv2.setNumThreads(threads)
    took, before, size = median(ours), median(whole), f"{len(data) / 1000:.0f} kB"
    return [
        Figure(f"1080p MJPEG of {size} to a 480x360 frame, processor time", took, "ms", 4.0),
        Figure("the same, decoded whole", before, "ms"),
        Figure("1080p MJPEG: decoded at half scale over whole", took / before, "x", 1.0),
    ]


def _decoded_whole(data: bytes) -> Image:
    jpeg.examine(data)
    image, _ = jpeg.decode(data)
    assert image is not None
    return fit_image(image, NETWORK)


def camera_jpeg() -> bytes:
    """The street as a USB camera sends it: 4:2:0, with a little of a sensor's noise (entropy decoding costs by the
    byte, so the size counts more than the pixels).
    """
    rng = np.random.default_rng(0)
    picture = Street(SOURCE).render(40)[0]
    noisy = np.clip(picture + rng.normal(0, NOISE, picture.shape).round(), 0, 255).astype(np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x221111]
    return cv2.imencode(".jpg", noisy, options)[1].tobytes()
