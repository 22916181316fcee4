"""``recording: {schema: ros2}``, as rosbags and Foxglove's own decoder of ROS 2 read it."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Result
from edge_segnet.sinks.recording.mcap_file import is_whole, repair
from edge_segnet.sinks.rosmsg.records import DEFINITIONS, full_name
from edge_segnet.sources import describe, open_source
from edge_segnet.sources.mcap_outline import read_outline
from edge_segnet.sources.recordings import label_images
from tests.support.recordings import event_now, files_in, recording, street
from tests.support.service import StreetService
from tests.support.waiting import wait_until

rosbags = pytest.importorskip("rosbags.highlevel", reason="rosbags is not installed")
PER_FRAME = {
    "/front/image/compressed": "sensor_msgs/msg/CompressedImage",
    "/front/overlay/compressed": "sensor_msgs/msg/CompressedImage",
    "/front/mask": "sensor_msgs/msg/Image",
    "/front/mask_colours/compressed": "sensor_msgs/msg/CompressedImage",
    "/front/label_info": "vision_msgs/msg/LabelInfo",
    "/front/shares": "std_msgs/msg/Float32MultiArray",
    "/front/result": "std_msgs/msg/String",
}
BESIDE = {
    "/events": "std_msgs/msg/String",
    "/events/snapshot/compressed": "sensor_msgs/msg/CompressedImage",
    "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
    "/log": "rcl_interfaces/msg/Log",
}


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Result]]:
    folder, service = tmp_path_factory.mktemp("bag"), StreetService()
    shown = [replace(each, frame=replace(each.frame, camera="front")) for each in street()]
    with recording(folder, service, schema="ros2", images=["camera", "mask", "overlay"]) as sink:
        for result in shown:
            sink.publish(result)
        service.events.append(event_now(), lambda: cv2.imencode(".jpg", shown[0].frame.image)[1].tobytes())
        logging.getLogger("edge_segnet.test").warning("a %s line", "log")
        wait_until(lambda: sink.status()["written"] >= 2 * len(PER_FRAME) + len(BESIDE))
    (path,) = files_in(folder)
    return path, shown


def read(path: Path) -> dict[str, list[Any]]:
    """What rosbags makes of it: messages by topic."""
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import Stores, get_typestore

    found: dict[str, list[Any]] = {}
    with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
        for connection, at_ns, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            found.setdefault(connection.topic, []).append((at_ns, message))
    return found


def picture_of(message: Any) -> Any:
    return cv2.imdecode(np.asarray(message.data, np.uint8), cv2.IMREAD_COLOR)


def test_rosbags_reads_every_message(bag: tuple[Path, list[Result]]) -> None:
    path, shown = bag
    found = read(path)
    assert found.keys() == PER_FRAME.keys() | BESIDE.keys()
    (at_ns, camera), (_, mask), (_, colours) = (
        found[f"/front/{name}"][0] for name in ("image/compressed", "mask", "mask_colours/compressed")
    )
    labels, frame = shown[0].segmentation.labels, shown[0].frame
    assert np.abs(picture_of(camera).astype(int) - frame.image).mean() < 6
    assert (mask.encoding, mask.height, mask.width, mask.step) == ("mono8", *labels.shape, labels.shape[1])
    assert np.array_equal(mask.data.reshape(labels.shape), labels)
    assert np.array_equal(picture_of(colours), CAMVID_11.lut_bgr[labels])
    assert mask.header.frame_id == "front_optical_frame"
    assert mask.header.stamp.sec * 10**9 + mask.header.stamp.nanosec == at_ns == int(frame.captured_at * 1e9)
    (_, info) = found["/front/label_info"][1]
    assert [(each.class_id, each.class_name) for each in info.class_map] == list(enumerate((*CAMVID_11.names, "void")))
    (_, shares) = found["/front/shares"][0]
    assert list(shares.data) == pytest.approx(shown[0].segmentation.counts / labels.size)
    assert json.loads(found["/front/result"][1][1].data)["seq"] == shown[1].frame.seq
    assert json.loads(found["/events"][0][1].data)["rule"] == "road lost/1"
    assert picture_of(found["/events/snapshot/compressed"][0][1]).shape == frame.image.shape
    log = found["/log"][0][1]
    assert (log.level, log.name, log.msg) == (30, "edge_segnet.test", "a log line")
    assert found["/diagnostics"][0][1].status[0].name == "edge_segnet"


def test_the_definitions_are_those_of_ros(bag: tuple[Path, list[Result]]) -> None:
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    assert bag
    for ros in (Stores.ROS2_HUMBLE, Stores.ROS2_JAZZY):
        theirs, ours = get_typestore(ros), get_typestore(Stores.EMPTY)
        for name, text in DEFINITIONS.items():
            ours.register(get_types_from_msg(text, full_name(name)))
        known = [full_name(name) for name in DEFINITIONS if full_name(name) in theirs.fielddefs]
        assert len(known) >= len(DEFINITIONS) - 2  # vision_msgs come apart from ROS's own
        for name in known:
            assert ours.hash_rihs01(name) == theirs.hash_rihs01(name), name


def test_bag_play_offers_labels_to_those_who_come_late(bag: tuple[Path, list[Result]]) -> None:
    from rosbags.interfaces import ConnectionExtRosbag2, QosDurability, QosReliability
    from rosbags.rosbag2 import Reader

    with Reader(bag[0]) as reader:
        for connection in reader.connections:
            assert isinstance(connection.ext, ConnectionExtRosbag2)
            (qos,) = connection.ext.offered_qos_profiles
            late = QosDurability.TRANSIENT_LOCAL if connection.topic.endswith("label_info") else QosDurability.VOLATILE
            assert (qos.durability, qos.reliability) == (late, QosReliability.RELIABLE)
    with bag[0].open("rb") as file:
        told = make_reader(file)
        assert told.get_header().profile == "ros2"
        kinds = {c.topic: s.name for s, c, _ in told.iter_messages() if s is not None}
        assert kinds == {**PER_FRAME, **BESIDE}
        file.seek(0)
        decoded = make_reader(file, decoder_factories=[DecoderFactory()]).iter_decoded_messages(["/front/label_info"])
        assert next(iter(decoded)).decoded_message.class_map[3].class_name == "Road"


def test_our_own_readers_take_it(bag: tuple[Path, list[Result]]) -> None:
    path, shown = bag
    assert [topic.name for topic in read_outline(path).cameras] == ["/front/image/compressed"]
    source = open_source(describe(str(path)), (80, 60))
    frame = source.read()
    source.close()
    assert frame is not None and frame.original is not None and frame.original.shape == shown[0].frame.image.shape
    found = [labels for _, labels in label_images(path, "/front/mask")]
    assert all(np.array_equal(ours, each.segmentation.labels) for ours, each in zip(found, shown, strict=True))


def test_a_bag_that_was_cut_off_is_a_bag_again(bag: tuple[Path, list[Result]], tmp_path: Path) -> None:
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(bag[0].read_bytes()[:-20])
    assert repair(cut) and is_whole(cut)
    assert {topic: len(each) for topic, each in read(cut).items()} == {
        topic: len(each) for topic, each in read(bag[0]).items()
    }
    with cut.open("rb") as file:
        told = make_reader(file)
        assert told.get_header().profile == "ros2" and told.get_header().library == "edge-segnet"
        summary = told.get_summary()
        assert summary is not None
        assert all("durability" in each.metadata["offered_qos_profiles"] for each in summary.channels.values())
