"""ROS 2's messages in MCAP, written by rosbags: what a robot's own recorder leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_segnet.core.types import Image
from edge_segnet.sources import describe, open_source
from tests.sources.test_recordings import SIZE, close_to, originals, read_all
from tests.support import drives

rosbags = pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")


def write_bag(folder: Path, kind: str, make: Any, images: list[Any], compression: str = "") -> Path:
    """A bag folder as ``ros2 bag record`` leaves it; its MCAP file."""
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
    if compression:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/front/image_raw", kind, typestore=store)
        for number, image in enumerate(images):
            at = drives.START_NS + drives.PERIOD_NS * number
            stamp = types["builtin_interfaces/msg/Time"](sec=at // 10**9, nanosec=at % 10**9)
            header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="front_optical_frame")
            writer.write(connection, at, store.serialize_cdr(make(types, header, image), kind))
    (path,) = folder.glob("*.mcap")
    return path


def compressed(types: Any, header: Any, image: Image) -> Any:
    data = np.frombuffer(drives.png(image), np.uint8)
    return types["sensor_msgs/msg/CompressedImage"](header=header, format="bgr8; png compressed bgr8", data=data)


def raw(encoding: str, step: int = 0) -> Any:
    def make(types: Any, header: Any, image: Image) -> Any:
        height, width = image.shape[:2]
        row = image.reshape(height, -1)
        data = np.pad(row, ((0, 0), (0, step))).reshape(-1)
        return types["sensor_msgs/msg/Image"](
            header=header,
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=0,
            step=row.shape[1] + step,
            data=data,
        )

    return make


@pytest.mark.parametrize("storage", ["", "zstd"])
def test_compressed_images_of_a_bag(tmp_path: Path, storage: str) -> None:
    images = drives.pictures(5)
    path = write_bag(tmp_path / "bag", "sensor_msgs/msg/CompressedImage", compressed, images, storage)
    frames, bad, _ = read_all(path)
    assert not bad and [frame.seq for frame in frames] == list(range(5))
    assert all(np.array_equal(one, other) for one, other in zip(originals(frames), images, strict=True))
    assert frames[2].media_s == pytest.approx(0.2)


@pytest.mark.parametrize("step", [0, 7])
def test_raw_images_of_a_bag_with_padded_rows(tmp_path: Path, step: int) -> None:
    images = drives.pictures(3)
    frames, _, _ = read_all(write_bag(tmp_path / "bag", "sensor_msgs/msg/Image", raw("bgr8", step), images))
    assert all(np.array_equal(one, other) for one, other in zip(originals(frames), images, strict=True))


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_give_the_right_colours(tmp_path: Path, pattern: str) -> None:
    colour = {"b": 200, "g": 120, "r": 30}
    mosaic = np.tile(np.array([colour[mark] for mark in pattern], np.uint8).reshape(2, 2), (20, 20))
    path = write_bag(tmp_path / "bag", "sensor_msgs/msg/Image", raw(f"bayer_{pattern}8"), [mosaic])
    frames, _, _ = read_all(path)
    assert np.abs(originals(frames)[0][5:-5, 5:-5].astype(int) - (200, 120, 30)).max() <= 2


@pytest.mark.parametrize(("encoding", "order"), [("yuv422_yuy2", (0, 1)), ("uyvy", (1, 0))])
def test_yuv_of_cameras(tmp_path: Path, encoding: str, order: tuple[int, int]) -> None:
    image = np.full((20, 30, 3), (200, 120, 30), np.uint8)
    y, u, v = cv2.cvtColor(image[:1, :1], cv2.COLOR_BGR2YUV)[0, 0]
    pairs = np.zeros((20, 30, 2), np.uint8)
    pairs[..., order[0]] = y
    pairs[:, 0::2, order[1]], pairs[:, 1::2, order[1]] = u, v
    path = write_bag(tmp_path / "bag", "sensor_msgs/msg/Image", raw(encoding), [pairs])
    frames, _, _ = read_all(path)
    assert np.abs(originals(frames)[0].astype(int) - (200, 120, 30)).max() <= 30


def test_sixteen_bits_of_grey_become_eight_and_depth_is_refused(tmp_path: Path) -> None:
    grey = (np.arange(600, dtype=np.uint16).reshape(20, 30) * 100).view(np.uint8).reshape(20, 60)

    def make(encoding: str) -> Any:
        def message(types: Any, header: Any, image: Image) -> Any:
            return types["sensor_msgs/msg/Image"](
                header=header, height=20, width=30, encoding=encoding, is_bigendian=0, step=60, data=image.reshape(-1)
            )

        return message

    frames, _, _ = read_all(write_bag(tmp_path / "a", "sensor_msgs/msg/Image", make("mono16"), [grey]))
    assert np.array_equal(originals(frames)[0][..., 1], (np.arange(600).reshape(20, 30) * 100 >> 8))
    _, bad, end = read_all(write_bag(tmp_path / "b", "sensor_msgs/msg/Image", make("16UC1"), [grey]))
    assert "encoding '16UC1'" in bad[0] and "not one picture" in str(end)


def test_video_of_a_bag(tmp_path: Path) -> None:
    pictures = drives.pictures(8)
    packets = drives.h264_packets(pictures)

    def make(types: Any, header: Any, packet: bytes) -> Any:
        data = np.frombuffer(packet, np.uint8)
        return types["sensor_msgs/msg/CompressedImage"](header=header, format="h264", data=data)

    frames, _, _ = read_all(write_bag(tmp_path / "bag", "sensor_msgs/msg/CompressedImage", make, packets))
    assert close_to(originals(frames), pictures)


def test_a_message_that_ends_too_early_costs_itself(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", "sensor_msgs/msg/CompressedImage", compressed, drives.pictures(1))
    from mcap.reader import make_reader

    with path.open("rb") as file:
        ((schema, channel, message),) = make_reader(file).iter_messages()
    assert schema is not None
    told = [message.data[:length] for length in range(0, len(message.data), 97)]
    topics = {channel.topic: (schema.name, schema.encoding, schema.data, channel.message_encoding, told)}
    cut = drives.write_mcap(tmp_path / "cut.mcap", topics)
    source = open_source(describe(str(cut)), SIZE)
    source.close()
    frames, bad, _ = read_all(cut)
    assert not frames and len(bad) == len(told)
