"""What a broker gets from a healthy service."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Drops, Result
from tests.sinks.mqtt.mosquitto import Mosquitto
from tests.sinks.mqtt.receiver import Receiver
from tests.sinks.mqtt.stage import connected, happen, sending
from tests.support.service import StreetService, renumbered
from tests.support.waiting import wait_until


def test_status_results_and_events(broker: Mosquitto, service: StreetService, street: list[Result]) -> None:
    with Receiver(broker.port) as receiver, sending(service, broker.port) as sink:
        wait_until(lambda: receiver.states() == ["running"])
        sink.publish(renumbered(street[0], 7))
        happen(service.events, 0, 1)
        wait_until(lambda: receiver.of("robot/result/front") and len(receiver.events()) == 2)
        (result,) = receiver.of("robot/result/front")
        assert result.document["seq"] == 7 and result.document["classes"].keys() >= {"Road", "Sky"}
        assert "secret" not in result.payload.decode()
        assert (result.qos, result.content_type, result.expiry_s) == (0, "application/json", 10)
        event = receiver.of("robot/event")[0]
        assert event.document == service.events.since("")[0].document().to_dict()
        assert (event.qos, event.expiry_s) == (2, None)
        status = receiver.of("robot/status")[0].document
        assert status["online"] and status["cameras"]["front"]["state"] == "running"
        wait_until(lambda: sink.status()["queue"] == 0)
        told = sink.status()
        assert told["state"] == "connected" and told["error"] is None
        assert told["sent"] == {"result": 1, "event": 2} and told["dropped"] == told["events_dropped"] == 0


def test_who_comes_later_gets_the_status(broker: Mosquitto, service: StreetService) -> None:
    with sending(service, broker.port) as sink:
        wait_until(lambda: connected(sink))
        with Receiver(broker.port) as receiver:
            wait_until(lambda: receiver.states() == ["running"])
            assert receiver.of("robot/status")[0].retained
            service.changes["state"] = "degraded"
            wait_until(lambda: receiver.states() == ["running", "degraded"])
    with Receiver(broker.port) as receiver:
        wait_until(lambda: receiver.states()[-1:] == ["offline"])
        status = receiver.of("robot/status")[-1]
        assert status.document == {"schema": 2, "online": False, "state": "offline", "message": "stopped"}


def test_the_rate_is_kept(broker: Mosquitto, service: StreetService, street: list[Result]) -> None:
    with Receiver(broker.port) as receiver, sending(service, broker.port, rate=20.0) as sink:
        wait_until(lambda: connected(sink))
        began = time.monotonic()
        seq = 0
        while time.monotonic() < began + 1.0:
            seq += 1
            sink.publish(renumbered(street[0], seq))
            time.sleep(0.002)
        took = time.monotonic() - began
        wait_until(lambda: receiver.of("robot/result/front")[-1].document["seq"] > seq / 2)
        sent = sink.status()["sent"]["result"]
        assert 0 < sent <= 20 * took + 2
        wait_until(lambda: len(receiver.of("robot/result/front")) == sent)


def test_quality_of_service_per_topic(broker: Mosquitto, service: StreetService, street: list[Result]) -> None:
    qos = {"status": 2, "result": 1, "event": 1, "frame": 2}
    with Receiver(broker.port) as receiver, sending(service, broker.port, qos=qos, frame={"rate": 1000.0}) as sink:
        wait_until(lambda: connected(sink))
        for seq in range(20):
            sink.publish(renumbered(street[0], seq))
            wait_until(lambda seq=seq: sink.status()["sent"]["frame"] + sink.status()["dropped"] >= seq)  # type: ignore[misc]
        happen(service.events, 0)
        wait_until(lambda: receiver.events())
        wait_until(lambda: receiver.of("robot/result/front")[-1].document["seq"] == 19)
        found = {
            name: {message.qos for message in receiver.messages if message.topic.split("/")[1] == name} for name in qos
        }
        assert found == {name: {level} for name, level in qos.items()}


def test_frames(broker: Mosquitto, service: StreetService, street: list[Result]) -> None:
    with Receiver(broker.port) as receiver, sending(service, broker.port, frame={"kind": "mask", "rate": 1.0}) as sink:
        sink.publish(renumbered(street[0], 3))
        wait_until(lambda: receiver.of("robot/frame/front"))
        frame = receiver.of("robot/frame/front")[0]
        assert frame.content_type == "image/jpeg"
        assert frame.facts["camera"] == "front" and frame.facts["seq"] == "3" and frame.facts["kind"] == "mask"
        image = cv2.imdecode(np.frombuffer(frame.payload, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        wanted = CAMVID_11.lut_bgr[street[0].segmentation.labels].astype(int)
        assert np.abs(image.astype(int) - wanted).mean() < 12


@pytest.mark.usefixtures("state")
def test_every_camera_has_topics_of_its_own(broker: Mosquitto, street: list[Result]) -> None:
    two = StreetService("front", "rear")
    with Receiver(broker.port) as receiver, sending(two, broker.port, frame={}) as sink:
        for camera in ("front", "rear"):
            sink.publish(of_camera(street[0], camera))
        for camera in ("front", "rear"):
            wait_until(lambda camera=camera: receiver.of(f"robot/result/{camera}"))  # type: ignore[misc]
            wait_until(lambda camera=camera: receiver.of(f"robot/frame/{camera}"))  # type: ignore[misc]
            document = receiver.of(f"robot/result/{camera}")[0].document
            assert document["camera"] == camera and document["schema"] == 2
        assert not receiver.of("robot/result") and not receiver.of("robot/frame")


def of_camera(result: Result, camera: str, **changes: Any) -> Result:
    fresh = renumbered(result, 1)
    return replace(fresh, frame=replace(fresh.frame, camera=camera), **changes)


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize("cameras", [("front",), ("front", "rear")], ids=["alone", "two"])
def test_compat_sends_what_0_1_sent_too(broker: Mosquitto, street: list[Result], cameras: tuple[str, ...]) -> None:
    service = StreetService(*cameras)
    changes: dict[str, Any] = {"backend": "tensorrt-fp16", "dropped": Drops(3, 2, 1)}
    with Receiver(broker.port) as receiver, sending(service, broker.port, frame={}, compat=1) as sink:
        for camera in cameras:
            sink.publish(of_camera(street[0], camera, **changes))
        wait_until(lambda: len(receiver.of("robot/result")) == len(cameras))
        wait_until(lambda: all(receiver.of(f"robot/frame/{camera}") for camera in cameras))
        new, old = receiver.of("robot/result/front")[0].document, receiver.of("robot/result")[0].document
        assert new["backend"] == "tensorrt-fp16" and new["dropped"] == {"late": 3, "skipped": 2, "damaged": 1}
        assert " ".join(old) == KEYS_0_1 and old["backend"] == "tensorrt" and old["dropped"] == 6
        assert old["classes"]["Road"].keys() == {"id", "pixels", "share"} and old["regions"] == {}
        assert bool(receiver.of("robot/frame")) == (len(cameras) == 1)


KEYS_0_1 = (
    "regions region_details seq camera captured_at age_ms stale synthetic source model backend network_size "
    "source_size classes void_pixels low_margin alarms flicker stages_ms dropped"
)


def test_what_a_small_broker_takes(folder: Path, service: StreetService, street: list[Result]) -> None:
    lines = ("max_qos 0", "retain_available true", "max_packet_size 4000")
    settings = {"qos": {"status": 0}, "frame": {"kind": "camera"}}
    with (
        Mosquitto(folder, *lines) as broker,
        Receiver(broker.port) as receiver,
        sending(service, broker.port, **settings) as sink,
    ):
        wait_until(lambda: connected(sink))
        happen(service.events, *range(5))
        wait_until(lambda: receiver.events() == list(range(5)))
        sink.publish(renumbered(street[0], 1))
        wait_until(lambda: receiver.of("robot/result/front"))
        wait_until(lambda: sink.status()["error"])
        error = str(sink.status()["error"])
        assert "robot/frame/front: a message of" in error and "takes 4000" in error
        assert connected(sink) and sink.status()["connections"] == 1
