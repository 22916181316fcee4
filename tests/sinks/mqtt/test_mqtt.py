"""What a broker gets from a healthy service."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Result
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
        wait_until(lambda: receiver.of("robot/result") and len(receiver.events()) == 2)
        (result,) = receiver.of("robot/result")
        assert result.document["seq"] == 7 and result.document["classes"].keys() >= {"Road", "Sky"}
        assert "secret" not in result.payload.decode()
        assert (result.qos, result.content_type, result.expiry_s) == (0, "application/json", 10)
        event = receiver.of("robot/event")[0]
        assert event.document == service.events.since("")[0].to_document()
        assert (event.qos, event.expiry_s) == (2, None)
        status = receiver.of("robot/status")[0].document
        assert status["online"] and status["cameras"]["front"]["state"] == "running" and "sinks" not in status
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
        assert status.document == {"online": False, "state": "offline", "message": "stopped"}


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
        wait_until(lambda: receiver.of("robot/result")[-1].document["seq"] > seq / 2)
        sent = sink.status()["sent"]["result"]
        assert 0 < sent <= 20 * took + 2
        wait_until(lambda: len(receiver.of("robot/result")) == sent)


def test_quality_of_service_per_topic(broker: Mosquitto, service: StreetService, street: list[Result]) -> None:
    qos = {"status": 2, "result": 1, "event": 1, "frame": 2}
    with Receiver(broker.port) as receiver, sending(service, broker.port, qos=qos, frame={"rate": 1000.0}) as sink:
        wait_until(lambda: connected(sink))
        for seq in range(20):
            sink.publish(renumbered(street[0], seq))
            wait_until(lambda seq=seq: sink.status()["sent"]["frame"] + sink.status()["dropped"] >= seq)  # type: ignore[misc]
        happen(service.events, 0)
        wait_until(lambda: receiver.events())
        wait_until(lambda: receiver.of("robot/result")[-1].document["seq"] == 19)
        found = {name: {message.qos for message in receiver.of(f"robot/{name}")} for name in qos}
        assert found == {name: {level} for name, level in qos.items()}


def test_frames(broker: Mosquitto, service: StreetService, street: list[Result]) -> None:
    with Receiver(broker.port) as receiver, sending(service, broker.port, frame={"kind": "mask", "rate": 1.0}) as sink:
        sink.publish(renumbered(street[0], 3))
        wait_until(lambda: receiver.of("robot/frame"))
        frame = receiver.of("robot/frame")[0]
        assert frame.content_type == "image/jpeg"
        assert frame.facts["camera"] == "front" and frame.facts["seq"] == "3" and frame.facts["kind"] == "mask"
        image = cv2.imdecode(np.frombuffer(frame.payload, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        wanted = CAMVID_11.lut_bgr[street[0].segmentation.labels].astype(int)
        assert np.abs(image.astype(int) - wanted).mean() < 12


@pytest.mark.usefixtures("state")
def test_several_cameras(broker: Mosquitto, street: list[Result]) -> None:
    two = StreetService("front", "rear")
    with Receiver(broker.port) as receiver, sending(two, broker.port, frame={}) as sink:
        for camera in ("front", "rear"):
            result = renumbered(street[0], 1)
            object.__setattr__(result.frame, "camera", camera)
            sink.publish(result)
        wait_until(lambda: len(receiver.of("robot/result")) == 2)
        assert {message.document["camera"] for message in receiver.of("robot/result")} == {"front", "rear"}
        wait_until(lambda: receiver.of("robot/frame/front") and receiver.of("robot/frame/rear"))


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
        wait_until(lambda: receiver.of("robot/result"))
        wait_until(lambda: sink.status()["error"])
        assert "robot/frame: a message of" in sink.status()["error"] and "takes 4000" in sink.status()["error"]
        assert connected(sink) and sink.status()["connections"] == 1
