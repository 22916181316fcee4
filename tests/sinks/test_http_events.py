"""Events, regions and alarms over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Flicker, FreeSpace, Region, Result, View
from edge_segnet.pictures.files import decode_image, encode
from edge_segnet.settings.regions import RegionConfig, RuleConfig
from tests.scene.test_events import event_of
from tests.support.service import StreetService, drive
from tests.support.waiting import wait_until

AHEAD = RegionConfig(polygon=[[0.3, 0.95], [0.7, 0.95], [0.5, 0.6]])
LOST = RuleConfig.model_validate({"name": "lost", "region": "ahead", "class": "Road", "below": 0.4})


@pytest.fixture
def service() -> StreetService:
    service = StreetService("front", "rear")
    service.view = View(CAMVID_11, regions={"ahead": AHEAD}, rules=[LOST])
    return service


def happen(service: StreetService, *numbers: int) -> None:
    for number in numbers:
        service.events.append(event_of(number), lambda number=number: b"jpeg %d" % number)  # type: ignore[misc]
    wait_until(lambda: service.events.newest() and service.events.newest()[0].frame_seq == numbers[-1])


def messages(answer: httpx.Response, kind: str) -> Iterator[dict[str, Any]]:
    """Data of the server-sent events of one kind, with their id."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif fields:
            if fields.get("event") == kind:
                yield {**json.loads(fields["data"]), "sse id": fields.get("id")}
            fields = {}


def test_events_are_listed_newest_first_with_their_pictures(client: httpx.Client, service: StreetService) -> None:
    assert client.get("/api/events").json() == {"events": []}
    happen(service, 0, 1, 2)
    events = client.get("/api/events").json()["events"]
    assert [event["frame_seq"] for event in events] == [2, 1, 0] and events[0]["class"] == "Road"
    assert len(client.get("/api/events?limit=2").json()["events"]) == 2
    assert client.get("/api/events?camera=rear").json() == {"events": []}
    picture = client.get(f"/api/events/{events[1]['snapshot']}")
    assert picture.content == b"jpeg 1" and picture.headers["content-type"] == "image/jpeg"
    assert client.get("/api/events/nothing.jpg").status_code == 404
    for wrong in ("0", "1001", "x", "-1", "9" * 5000, "²"):
        assert client.get("/api/events", params={"limit": wrong}).status_code == 400


def test_a_snapshot_as_small_as_it_is_wanted(client: httpx.Client, service: StreetService) -> None:
    picture = encode(np.zeros((480, 640, 3), np.uint8), ".jpg")
    service.events.append(event_of(0), lambda: picture)
    wait_until(lambda: service.events.newest())
    address = f"/api/events/{service.events.newest()[0].snapshot}"
    for width, shape in ((160, (120, 160, 3)), (641, (480, 640, 3))):
        small = client.get(address, params={"width": width}).content
        assert decode_image(small, "x").shape == shape
    assert client.get(address).content == picture
    assert client.get(address, params={"width": 5000}).status_code == 400


def test_events_are_sent_live_in_order(client: httpx.Client, service: StreetService) -> None:
    happen(service, 0)
    with client.stream("GET", "/api/stream") as answer:
        found = messages(answer, "event")
        wait_until(lambda: service.sink is not None and service.sink.status()["streams"] == 1)
        happen(service, 1, 2, 3)
        assert [next(found)["frame_seq"] for _ in range(3)] == [1, 2, 3], "not the old one"


def test_a_client_that_comes_back_misses_none(client: httpx.Client, service: StreetService) -> None:
    happen(service, 0, 1, 2, 3)
    cursor = service.events.since("")[1].id
    with client.stream("GET", "/api/stream", headers={"Last-Event-ID": cursor}) as answer:
        found = messages(answer, "event")
        first, second = next(found), next(found)
    assert [first["frame_seq"], second["frame_seq"]] == [2, 3] and first["sse id"] == first["id"]
    with client.stream("GET", "/api/stream", headers={"Last-Event-ID": "nonsense"}) as answer:
        found = messages(answer, "event")
        happen(service, 4)
        assert next(found)["frame_seq"] == 4


def test_a_listener_of_one_camera_hears_of_that(client: httpx.Client, service: StreetService) -> None:
    with client.stream("GET", "/api/stream?camera=rear") as answer:
        kinds = messages(answer, "status")
        next(kinds)
        happen(service, 0)
        for _ in range(2):
            next(kinds)
    with client.stream(
        "GET", "/api/stream?camera=front", headers={"Last-Event-ID": "0" * 8 + "-0000" * 3 + "-" + "0" * 12}
    ) as answer:
        assert next(messages(answer, "event"))["camera"] == "front"


def test_regions_and_rules_are_told_as_the_settings_have_them(client: httpx.Client) -> None:
    found = client.get("/api/regions").json()
    assert found["regions"]["ahead"]["polygon"] == AHEAD.polygon
    assert found["rules"][0]["class"] == "Road" and found["rules"][0]["below"] == 0.4


def with_regions(result: Result, alarms: tuple[str, ...]) -> Result:
    counts = np.zeros(len(CAMVID_11) + 1, np.int64)
    counts[[CAMVID_11.index("Road"), CAMVID_11.index("Car")]] = [25, 75]
    region = Region(counts, np.full(12, 0.5), FreeSpace((9, 4), (12.5, 3.25), (-4.0, 4.0)))
    return replace(result, regions={"ahead": region}, alarms=alarms, flicker=Flicker(0.01, 0.002))


def test_metrics_of_regions_alarms_and_events(client: httpx.Client, service: StreetService) -> None:
    happen(service, 0, 1, 2)
    service.publish(with_regions(drive(1)[0], ("lost",)))
    families: Any = text_string_to_metric_families(client.get("/metrics").text)
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value for family in families for sample in family.samples
    }
    assert samples["edge_segnet_region_share", "Road", "ahead", "front"] == 0.25
    assert samples["edge_segnet_region_smoothed_share", "Road", "ahead", "front"] == 0.5
    assert samples["edge_segnet_free_rows", "0", "ahead", "front"] == 9
    assert samples["edge_segnet_free_metres", "1", "ahead", "front"] == 3.25
    assert samples["edge_segnet_alarm", "front", "lost"] == 1 and samples["edge_segnet_alarm", "lost", "rear"] == 0
    assert samples["edge_segnet_flicker", "front", "steady"] == 0.002
    assert samples["edge_segnet_events_total", "front", "lost", "start"] == 2
    assert samples["edge_segnet_events_error",] == 0 and samples["edge_segnet_events_lost_total",] == 0
    document = client.get("/api/result").json()
    assert document["regions"]["ahead"]["Car"] == 0.75 and document["alarms"] == ["lost"]
    assert document["region_details"]["ahead"]["free"]["metres"] == [12.5, 3.25]
