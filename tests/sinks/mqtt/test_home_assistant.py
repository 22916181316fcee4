"""What Home Assistant would make of our messages: its templates are Jinja, with a few filters of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jinja2
import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Region, Result, View
from edge_segnet.settings.regions import FreeConfig, RegionConfig, RuleConfig
from tests.sinks.mqtt.mosquitto import Mosquitto
from tests.sinks.mqtt.receiver import Receiver
from tests.sinks.mqtt.stage import connected, happen, sending
from tests.support.service import StreetService, renumbered
from tests.support.waiting import wait_until

POLYGON = [[0.3, 0.95], [0.7, 0.95], [0.55, 0.6], [0.45, 0.6]]


def render(template: str, payload: Any, state: str = "unknown") -> str:
    """As Home Assistant: ``float`` takes a default there."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)

    def number(value: Any, default: Any = 0.0) -> Any:
        try:
            return float(value)
        except (TypeError, ValueError):
            return default

    environment.filters["float"] = number
    return environment.from_string(template).render(value_json=payload, this={"state": state})


def described(receiver: Receiver) -> dict[str, Any]:
    """The newest description."""
    topics = {message.topic for message in receiver.messages if message.topic.startswith("homeassistant/")}
    (topic,) = topics
    prefix, kind, identity, word = topic.split("/")
    document: dict[str, Any] = receiver.of(topic)[-1].document
    assert (prefix, kind, word) == ("homeassistant", "device", "config")
    assert document["device"]["identifiers"] == [identity]
    return document


def judged(result: Result, seq: int, camera: str, alarms: tuple[str, ...]) -> Result:
    """A result with a region, as the loop makes them."""
    counts = result.segmentation.counts
    made = renumbered(result, seq)
    object.__setattr__(made.frame, "camera", camera)
    object.__setattr__(made, "regions", {"ahead": Region(counts, counts / counts.sum())})
    object.__setattr__(made, "alarms", alarms)
    return made


@pytest.fixture
def ruled(service: StreetService) -> StreetService:
    ahead = RegionConfig(polygon=POLYGON, free=FreeConfig(classes=["pavement"]))
    rule = RuleConfig.model_validate({"name": "no-road", "region": "ahead", "class": "road", "below": 0.4})
    service.view = View(CAMVID_11, regions={"ahead": ahead}, rules=(rule,))
    return service


def _values(receiver: Receiver, wanted: Callable[[dict[str, Any]], bool], payload: Any) -> dict[str, str]:
    components = described(receiver)["components"].values()
    return {each["name"]: render(each["value_template"], payload) for each in components if wanted(each)}


def test_sensors(broker: Mosquitto, ruled: StreetService, street: list[Result]) -> None:
    settings = {"home_assistant": {"name": "Mower"}, "frame": {}}
    with Receiver(broker.port) as receiver, sending(ruled, broker.port, **settings) as sink:
        wait_until(lambda: connected(sink) and receiver.states())
        device = described(receiver)
        assert device["device"]["name"] == "Mower" and device["device"]["model"] == "segnet-lite (onnx)"
        sink.publish(judged(street[0], 1, "front", ("no-road",)))
        happen(ruled.events, 0)
        wait_until(lambda: receiver.of("robot/result/front") and receiver.events() and receiver.of("robot/frame/front"))
        result, status = receiver.of("robot/result/front")[0].document, receiver.of("robot/status")[-1].document
        values = _values(receiver, lambda each: each.get("state_topic") == "robot/result/front", result)
        assert float(values["front Road"]) == pytest.approx(100 * result["classes"]["Road"]["share"], abs=0.01)
        assert values["front ahead Road"] == values["front Road"] and values["front no-road"] == "ON"
        assert {name for name in values if name.startswith("front ahead ")} == {
            *("front ahead Road", "front ahead Pavement", "front ahead free rows")
        }
        assert values["front ahead free rows"] == "None"  # this result has none
        states = _values(receiver, lambda each: each.get("state_topic") == "robot/status", status)
        cameras = {"front state": "running", "front running": "ON", "front frame rate": "0.0"}
        board = {"Board throttled": "OFF", "Board temperature": "51.5"}
        assert states == {"State": "running", "Degraded": "OFF", **board, **cameras}
        event = receiver.of("robot/event")[0].document
        told = json.loads(_values(receiver, lambda each: each["platform"] == "event", event)["Rules"])
        assert told["event_type"] == "start" and told["rule"] == "lost" and told["id"] == event["id"]
        camera = next(each for each in device["components"].values() if each["platform"] == "camera")
        assert camera["topic"] == "robot/frame/front"
        (availability,) = device["availability"]
        assert render(availability["value_template"], status) == "online"
        ids = [each["unique_id"] for each in device["components"].values()]
        assert len(ids) == len(set(ids))
    with Receiver(broker.port) as later:  # Home Assistant was started after us
        wait_until(lambda: later.states() and any(message.retained for message in later.messages))
        gone = later.of("robot/status")[-1].document
        assert render(availability["value_template"], gone) == "offline"
        states = _values(later, lambda each: each.get("state_topic") == "robot/status", gone)
        cameras = {"front state": "gone", "front running": "OFF", "front frame rate": "None"}
        board = {"Board throttled": "OFF", "Board temperature": "None"}
        assert states == {"State": "offline", "Degraded": "OFF", **board, **cameras}


def test_every_camera_is_told_by_its_own_results(broker: Mosquitto, street: list[Result], ruled: StreetService) -> None:
    two = StreetService("front", "rear")
    two.view = ruled.view
    with Receiver(broker.port) as receiver, sending(two, broker.port, home_assistant={}) as sink:
        wait_until(lambda: connected(sink) and receiver.states())
        sink.publish(judged(street[0], 1, "rear", ("no-road",)))
        wait_until(lambda: receiver.of("robot/result/rear"))
        result = receiver.of("robot/result/rear")[0].document
        components = {each["name"]: each for each in described(receiver)["components"].values()}
        for name in ("Road", "no-road"):
            assert components[f"front {name}"]["state_topic"] == "robot/result/front"
            assert components[f"rear {name}"]["state_topic"] == "robot/result/rear"
        assert render(components["rear no-road"]["value_template"], result) == "ON"


def test_a_reload_is_told(broker: Mosquitto, ruled: StreetService) -> None:
    with Receiver(broker.port) as receiver, sending(ruled, broker.port, home_assistant={"prefix": "ha"}):
        wait_until(lambda: receiver.states())
        topic = next(message.topic for message in receiver.messages if message.topic.startswith("ha/device/"))
        assert ruled.view is not None
        ruled.view = replace(ruled.view, rules=())
        ruled.changes["reload"] = {"at": "now", "ok": True, "message": ""}
        wait_until(lambda: len(receiver.of(topic)) == 2)
        components = receiver.of(topic)[-1].document["components"]
        assert components["rule_front_no-road"] == {"platform": "binary_sensor"}  # how its protocol removes one
        assert components["events"].keys() > {"platform"}
