"""Recordings of other people, made by the libraries that they use: Foxglove's SDK's messages, ROS 2's, H.264."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from mcap.writer import CompressionType, Writer

from edge_segnet.core.types import Image
from tests.conftest import picture

START_NS: Final = 1_700_000_000_000_000_000
PERIOD_NS: Final = 100_000_000
SIZE: Final = (80, 60)
Told = tuple[str, str, bytes, str, list[bytes]]
"""A topic: schema, its encoding, its data, the messages' encoding, the messages."""


def pictures(count: int, size: tuple[int, int] = SIZE, first: int = 0) -> list[Image]:
    """Different ones, uint8 [H,W,3] BGR."""
    return [np.asarray(picture(*size, seed=first + number), np.uint8) for number in range(count)]


def jpeg(image: Image) -> bytes:
    return cv2.imencode(".jpg", image)[1].tobytes()


def png(image: Image) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def write_mcap(
    path: Path,
    topics: Mapping[str, Told],
    *,
    times: Iterable[int] | None = None,
    library: str = "test",
    **writer: Any,
) -> Path:
    """All topics have messages at the same times."""
    with path.open("wb") as file:
        out = Writer(file, **{"chunk_size": 16 << 10, "compression": CompressionType.ZSTD, **writer})
        out.start(profile="", library=library)
        channels = {}
        for name, (schema, kind, data, encoding, _) in topics.items():
            channels[name] = out.register_channel(name, encoding, out.register_schema(schema, kind, data))
        count = max(len(told[4]) for told in topics.values())
        at = list(times) if times is not None else [START_NS + PERIOD_NS * number for number in range(count)]
        for number in range(count):
            for name, told in topics.items():
                out.add_message(channels[name], at[number], told[4][number], at[number])
        out.finish()
    return path


def foxglove_topic(kind: str, make: Callable[[Any], bytes], values: Iterable[Any]) -> Told:
    """Protobuf messages of the SDK."""
    import foxglove.messages

    schema = getattr(foxglove.messages, kind).get_schema()
    return schema.name, schema.encoding, schema.data, "protobuf", [make(value) for value in values]


def compressed(images: Sequence[Image], form: str = "jpeg") -> Told:
    """foxglove.CompressedImage in protobuf."""
    from foxglove.messages import CompressedImage

    encode = jpeg if form == "jpeg" else png
    return foxglove_topic(
        "CompressedImage", lambda one: CompressedImage(data=encode(one), format=form).encode(), images
    )


def raw(images: Sequence[Image], encoding: str = "bgr8") -> Told:
    """foxglove.RawImage in protobuf."""
    from foxglove.messages import RawImage

    def make(image: Image) -> bytes:
        height, width = image.shape[:2]
        step = image.nbytes // height
        return RawImage(
            width=width, height=height, encoding=encoding, step=step, data=image.tobytes(), frame_id="front"
        ).encode()

    return foxglove_topic("RawImage", make, images)


def compressed_json(images: Sequence[Image]) -> Told:
    """foxglove.CompressedImage in JSON."""
    messages = [{"format": "png", "data": base64.b64encode(png(one)).decode()} for one in images]
    told = [json.dumps(message).encode() for message in messages]
    return "foxglove.CompressedImage", "jsonschema", b'{"type":"object"}', "json", told


def h264_packets(images: Sequence[Image], every: int = 5) -> list[bytes]:
    """Annex B, a picture in each, a key picture ``every`` so many; no B pictures."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = images[0].shape[1], images[0].shape[0], "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, 10), Fraction(10)
    codec.options = {
        "g": str(every),
        "bf": "0",
        "tune": "zerolatency",
        "x264-params": "repeat-headers=1:annexb=1:scenecut=0",
    }
    found = []
    for number, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        frame.pts = number
        found += [bytes(packet) for packet in codec.encode(frame)]
    return found + [bytes(packet) for packet in codec.encode(None)]


def video(packets: Sequence[bytes]) -> Told:
    """foxglove.CompressedVideo in protobuf."""
    from foxglove.messages import CompressedVideo

    return foxglove_topic("CompressedVideo", lambda one: CompressedVideo(data=one, format="h264").encode(), packets)
