"""ROS 2 without ROS 2: topics by a small fake of the publisher's interface, bytes by mcap-ros2-support."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11, CITYSCAPES_19
from edge_segnet.core.documents import result_document
from edge_segnet.core.errors import SettingsError, UsageError
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import Frame, View
from edge_segnet.pictures.overlay import blend, colourise
from edge_segnet.sinks.ros2.settings import Ros2Config
from edge_segnet.sinks.ros2.sink import Ros2Sink
from tests.support.recordings import event_now
from tests.support.ros2 import FakeLink, written_and_read
from tests.support.service import SIZE, StreetService, drive, renumbered, segmented, sink_document
from tests.support.waiting import wait_until


@contextmanager
def publishing(service: StreetService, **settings: Any) -> Iterator[tuple[Ros2Sink, FakeLink]]:
    links: list[FakeLink] = []

    def link(config: Ros2Config) -> FakeLink:
        links.append(FakeLink(config))
        return links[0]

    sink = Ros2Sink(Ros2Config(**settings), service, link)
    assert not links[0].opened  # a sink that is only checked leaves nothing in ROS
    sink.start()
    try:
        wait_until(lambda: sink.status()["state"] == "publishing")
        yield sink, links[0]
    finally:
        sink.close()
    assert links[0].closed


def test_the_bytes_of_every_message(tmp_path: Path) -> None:
    service = StreetService()
    (shown,) = drive(1)
    with publishing(service, frame_ids={"front": "front/optical"}) as (sink, link):
        sink.publish(shown)
        service.events.append(event_now())
        wait_until(lambda: link.topics["~/events"].sent and link.topics["/diagnostics"].sent)
    found = written_and_read(tmp_path / "ros2.mcap", link.topics)
    labels, frame = shown.segmentation.labels, shown.frame
    (mask,) = found["~/front/mask"]
    assert (mask.encoding, mask.width, mask.height, mask.step) == ("mono8", *SIZE, SIZE[0])
    assert np.array_equal(np.frombuffer(bytes(mask.data), np.uint8).reshape(labels.shape), labels)
    assert mask.header.frame_id == "front/optical"
    assert mask.header.stamp.sec + mask.header.stamp.nanosec / 1e9 == pytest.approx(frame.captured_at, abs=1e-6)
    (overlay,) = found["~/front/overlay"]
    assert (overlay.encoding, overlay.step, overlay.is_bigendian) == ("bgr8", 3 * SIZE[0], 0)
    expected = blend(frame.image, colourise(labels, CAMVID_11.lut_bgr), 0.5)
    assert bytes(overlay.data) == expected.tobytes()
    (info,) = found["~/front/label_info"]
    assert [(each.class_id, each.class_name) for each in info.class_map] == list(enumerate((*CAMVID_11.names, "void")))
    (shares,) = found["~/front/shares"]
    assert shares.layout.dim[0].label.split(",") == [*CAMVID_11.names, "void"]
    assert list(shares.data) == pytest.approx(shown.segmentation.counts / labels.size)
    assert json.loads(found["~/front/result"][0].data).keys() == result_document(shown).to_dict().keys()
    assert json.loads(found["~/events"][0].data)["rule"] == "road lost/1"
    status = found["/diagnostics"][0].status
    assert [(each.name, each.level, each.message) for each in status] == [
        ("edge_segnet", 0, "running"),
        ("edge_segnet: camera front", 0, "running"),
    ]
    assert {each.key: each.value for each in status[1].values}["reconnects"] == "0"


def test_pictures_of_the_cameras_size_are_aligned_with_its_depth(tmp_path: Path) -> None:
    service = StreetService()
    (small,) = drive(1)
    large = cv2.resize(small.frame.image, (320, 200))
    frame = type(small.frame)(small.frame.image, np.asarray(large, np.uint8), 1, 1, 1.0, "front")
    result = type(small)(frame, small.segmentation, View(CAMVID_11), "onnx", "tiny", 1.0)
    with publishing(service, size="camera") as (sink, link):
        sink.publish(result)
        found = written_and_read(
            tmp_path / "ros2.mcap", {name: link.topics[f"~/front/{name}"] for name in ("mask", "overlay")}
        )
    for each in (found["~/front/mask"][0], found["~/front/overlay"][0]):
        assert (each.width, each.height) == (320, 200) and each.header.frame_id == "front_optical_frame"
    mask = np.frombuffer(bytes(found["~/front/mask"][0].data), np.uint8).reshape(200, 320)
    nearest = cv2.resize(small.segmentation.labels, (320, 200), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(mask, nearest)


@pytest.mark.parametrize("whole", [True, False], ids=["with the whole picture", "cut already"])
def test_the_overlay_of_a_crop_is_not_stretched(whole: bool, tmp_path: Path) -> None:
    """A camera of 320x120 sees a white square of 60; a network of 160x120 saw the middle half of that, from 80 on."""
    scene = np.full((120, 320, 3), 60, np.uint8)
    scene[30:90, 130:190] = 250
    image, labels = scene[:, 80:240].copy(), np.full((120, 160), CAMVID_11.index("Road"), np.uint8)
    frame = Frame(image, scene if whole else None, 1, 1, 1.0, "front", scaled_from=(320, 120))
    result = segmented(frame, labels, view=View(CAMVID_11, "crop"))
    for size, left, width in (("network", 50, 160), ("camera", 130, 320)):
        with publishing(StreetService(), size=size) as (sink, link):
            sink.publish(result)
            topics = {name: link.topics[f"~/front/{name}"] for name in ("mask", "overlay")}
            found = written_and_read(tmp_path / f"{size}.mcap", topics)
        overlay, mask = found["~/front/overlay"][0], found["~/front/mask"][0]
        assert (overlay.width, overlay.height) == (mask.width, mask.height) == (width, 120)
        drawn = np.frombuffer(bytes(overlay.data), np.uint8).reshape(120, width, 3).astype(int)
        bright = np.argwhere(drawn.sum(axis=2) > drawn[5, width // 2].sum() + 150)
        assert [*bright.min(axis=0), *bright.max(axis=0)] == [30, left, 89, left + 59], "the square is one"
        ids = np.frombuffer(bytes(mask.data), np.uint8).reshape(120, width)
        seen = np.argwhere(ids == CAMVID_11.index("Road"))
        assert [*seen.min(axis=0), *seen.max(axis=0)] == [0, left - 50, 119, left + 109] and seen.size == 2 * 120 * 160


def test_nothing_is_made_that_nobody_reads_but_labels_wait_for_readers() -> None:
    service = StreetService()
    street = drive(1)[0]
    with publishing(service) as (sink, link):
        sink.publish(street)
        for topic in link.topics.values():
            topic.subscribers = 0
        sink.publish(renumbered(street, 2))
        topics = {name.rpartition("/")[2]: topic for name, topic in link.topics.items() if "front" in name}
        assert {name: len(topic.sent) for name, topic in topics.items()} == dict.fromkeys(topics, 1) | {"damaged": 0}
        assert [name for name, topic in topics.items() if topic.latched] == ["label_info"]
        assert sink.status()["watched"] == {}
        service.view = View(CITYSCAPES_19)
        sink.publish(street)  # the earlier model's last frame
        assert len(topics["label_info"].sent) == 1
        sink.publish(replace(street, view=View(type(CAMVID_11)("other", CAMVID_11.names, CAMVID_11.colours))))
        assert len(topics["label_info"].sent) == 2


def test_cameras_come_and_go_under_names_that_ros_allows() -> None:
    service = StreetService("front-left", "2")
    with publishing(service, rate=10) as (sink, link):
        for camera in ("front-left", "2"):
            sink.publish(drive(1, camera=camera)[0])
            sink.publish(drive(1, camera=camera)[0])
        assert {"~/front_left/mask", "~/camera_2/mask"} <= link.topics.keys()
        assert len(link.topics["~/camera_2/mask"].sent) <= 2
        service.cameras = {"2": CameraTelemetry()}
        wait_until(lambda: (sink.publish(drive(1, camera="2")[0]), "~/front_left/mask" not in link.topics)[1])  # type: ignore[func-returns-value]
        assert "~/camera_2/mask" in link.topics


def test_what_is_wrong_is_diagnosed(tmp_path: Path) -> None:
    service = StreetService()
    service.camera_changes["front"] = {"state": "lost", "message": "unplugged"}
    service.changes = {"ready": False, "sinks": {"mqtt": sink_document({"error": "refused"})}}
    with publishing(service) as (_, link):
        wait_until(lambda: link.topics["/diagnostics"].sent)
    (first, *_) = written_and_read(tmp_path / "ros2.mcap", link.topics)["/diagnostics"]
    assert [(each.name, each.level, each.message) for each in first.status] == [
        ("edge_segnet", 2, "running"),
        ("edge_segnet: camera front", 2, "lost: unplugged"),
        ("edge_segnet: sink mqtt", 2, "refused"),
    ]


def test_a_middleware_that_fails_is_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with publishing(StreetService()) as (sink, link):
        link.topics["/diagnostics"].broken = True
        wait_until(lambda: sink.status()["state"] == "failed")
        assert sink.status()["error"] == "publisher is invalid"
        link.topics["/diagnostics"].broken = False
        wait_until(lambda: sink.status()["error"] is None)
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == 1 and "\n" not in told[0].getMessage().replace("\n", "", 1)


def test_a_node_that_cannot_start_is_tried_again() -> None:
    link = FakeLink(Ros2Config())
    link.refuses = True
    sink = Ros2Sink(Ros2Config(), StreetService(), lambda _config: link)
    sink.start()
    try:
        wait_until(lambda: sink.status()["state"] == "failed")
        sink.publish(drive(1)[0])
        assert "no middleware" in str(sink.status()["error"])
        link.refuses = False
        wait_until(lambda: sink.status()["state"] == "publishing")
    finally:
        sink.close()


@pytest.mark.skipif(importlib.util.find_spec("rclpy") is not None, reason="rclpy is here")
def test_without_ros_it_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"ros2: rclpy can't be imported .*source /opt/ros/DISTRO/setup\.bash"):
        Ros2Sink(Ros2Config(), StreetService())


def test_a_picture_that_is_not_whole_is_told_and_has_no_mask() -> None:
    """A mask has no room for a mark, and a costmap would believe it."""
    whole = drive(1)[0]
    damaged = replace(whole, frame=replace(whole.frame, whole=False))
    with publishing(StreetService()) as (sink, link):
        sink.publish(damaged)
        sent = {name.rpartition("/")[2]: len(topic.sent) for name, topic in link.topics.items() if "front" in name}
        assert sent == {"overlay": 1, "mask": 0, "label_info": 1, "shares": 0, "result": 1, "damaged": 1}
        assert json.loads(link.topics["~/front/result"].sent[0].data)["damaged"] is True
        stamp = link.topics["~/front/damaged"].sent[0].stamp
        assert stamp.sec + stamp.nanosec / 1e9 == pytest.approx(damaged.frame.captured_at, abs=1e-6)
        sink.publish(renumbered(whole, 2))
        assert len(link.topics["~/front/mask"].sent) == len(link.topics["~/front/damaged"].sent) == 1


def test_a_ros_without_vision_msgs_publishes_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    class Small(FakeLink):
        def kind(self, name: str) -> Any:
            if name.startswith("vision_msgs"):
                raise SettingsError(f"there is no message {name}", hint="apt install it")
            return super().kind(name)

    link = Small(Ros2Config())
    sink = Ros2Sink(Ros2Config(), StreetService(), lambda _config: link)
    sink.start()
    try:
        wait_until(lambda: sink.status()["state"] == "publishing")
        sink.publish(drive(1)[0])
        assert "~/front/label_info" not in link.topics and len(link.topics["~/front/mask"].sent) == 1
        assert "no label_info: there is no message vision_msgs" in str(sink.status()["without"])
        assert "labels" not in sink.status()["watched"]["front"]
    finally:
        sink.close()
    assert "no label_info" in caplog.text
