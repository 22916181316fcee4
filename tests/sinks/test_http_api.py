"""What the HTTP sink answers, over real sockets."""

from __future__ import annotations

import json
import time
import zlib
from dataclasses import replace
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import Frame, Origin, Result, View
from edge_segnet.sinks.http.sink import HttpSink
from tests.support.service import SIZE, StreetService, drive, driving, renumbered, segmented
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def street() -> list[Result]:
    return drive(3)


@pytest.fixture
def service() -> StreetService:
    return StreetService("front", "rear")


def decoded(data: bytes, flags: int = cv2.IMREAD_COLOR) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    assert image is not None
    return image


def parts(response: httpx.Response, count: int) -> list[tuple[dict[str, str], bytes]]:
    """(headers, body) of the first parts of a multipart stream."""
    boundary = b"--" + response.headers["content-type"].partition("boundary=")[2].encode() + b"\r\n"
    buffer = b""
    found: list[tuple[dict[str, str], bytes]] = []
    for chunk in response.iter_raw():
        buffer += chunk
        while len(found) < count:
            buffer = buffer.removeprefix(boundary)
            head, separator, rest = buffer.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
            length = int(headers.get("Content-Length", "-1"))
            if not separator or len(rest) < length + 2:
                break
            found.append((headers, rest[:length]))
            assert rest[length : length + 2] == b"\r\n"
            buffer = rest[length + 2 :]
        if len(found) == count:
            return found
    raise AssertionError(f"the stream ended after {len(found)} parts")


def events(response: httpx.Response, count: int) -> list[tuple[str, dict[str, Any]]]:
    """(event, data) of the first server-sent events."""
    found, name = [], ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            found.append((name, json.loads(line.removeprefix("data: "))))
            if len(found) == count:
                return found
    raise AssertionError("the stream ended")


def test_pictures_show_the_newest_frame(client: httpx.Client, service: StreetService, street: list[Result]) -> None:
    for result in street:
        service.publish(result)
    frame, labels = street[-1].frame, street[-1].segmentation.labels
    colours = CAMVID_11.lut_bgr[labels].astype(float)
    for kind, expected in (
        ("camera", frame.image.astype(float)),
        ("mask", colours),
        ("overlay", (frame.image + colours) / 2),
    ):
        answer = client.get(f"/frame/{kind}.jpg")
        assert answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg"
        assert int(answer.headers["x-seq"]) == frame.seq and answer.headers["x-synthetic"] == "1"
        assert np.abs(decoded(answer.content) - expected).mean() < 12, kind
    labels_png = client.get("/frame/labels.png")
    assert np.array_equal(decoded(labels_png.content, cv2.IMREAD_UNCHANGED), labels)
    margins = decoded(client.get("/frame/margin.png").content, cv2.IMREAD_UNCHANGED)
    assert margins.shape == labels.shape and not margins.any(), "rendered frames have no margins"


def test_pictures_have_the_cameras_proportions_again(client: httpx.Client, service: StreetService) -> None:
    frame = drive(1)[0].frame
    wide = Frame(frame.image, None, 1, time.monotonic_ns(), time.time(), "front", scaled_from=(1920, 1080))
    result = segmented(wide, np.zeros((SIZE[1], SIZE[0]), np.uint8))
    service.publish(result)
    assert decoded(client.get("/frame/overlay.jpg").content).shape[:2] == (120, 213)
    assert decoded(client.get("/frame/mask.jpg").content).shape[:2] == (120, 213)
    assert decoded(client.get("/frame/labels.png").content).shape[:2] == (120, 160), "ids stay as they are counted"
    service.publish(replace(renumbered(result, 2), view=View(CAMVID_11, "crop")))
    assert decoded(client.get("/frame/overlay.jpg").content).shape[:2] == (120, 160), "nothing was stretched"


def test_a_picture_is_encoded_once_and_only_when_asked_for(
    client: httpx.Client, service: StreetService, sink: HttpSink, street: list[Result]
) -> None:
    for result in street:
        service.publish(result)
    assert sink.status()["encoded"] == {}
    for _ in range(3):
        client.get("/frame/mask.jpg")
    assert sink.status()["encoded"] == {"mask": 1}


@pytest.mark.parametrize("kind", ["overlay", "mask", "camera"])
def test_a_stream_sends_every_new_frame(
    client: httpx.Client, service: StreetService, street: list[Result], kind: str
) -> None:
    with driving(service, street), client.stream("GET", f"/stream/{kind}.mjpg") as answer:
        found = parts(answer, 4)
    seqs = [int(headers["X-Seq"]) for headers, _ in found]
    assert seqs == sorted(set(seqs)), "newest first, none twice"
    assert all(decoded(body).shape == (*SIZE[::-1], 3) for _, body in found)
    assert all(float(headers["X-Age-Ms"]) >= 0 for headers, _ in found)
    assert {headers["X-Damaged"] for headers, _ in found} == {"0"}


def test_opencv_reads_a_stream_as_it_reads_a_camera(
    sink: HttpSink, service: StreetService, street: list[Result]
) -> None:
    with driving(service, street):
        capture = cv2.VideoCapture(f"{sink.url}/stream/camera.mjpg")
        good, image = capture.read()
        capture.release()
    assert good and image.shape == (*SIZE[::-1], 3)


def test_layers_are_picture_and_ids_of_one_frame(
    client: httpx.Client, service: StreetService, street: list[Result]
) -> None:
    service.publish(street[-1])
    with client.stream("GET", "/stream/layers") as answer:
        ((_, body),) = parts(answer, 1)
    length = int.from_bytes(body[:4], "big")
    assert decoded(body[4 : 4 + length]).shape == (*SIZE[::-1], 3)
    ids = np.frombuffer(zlib.decompress(body[4 + length :]), np.uint8).reshape(SIZE[::-1])
    assert np.array_equal(ids, street[-1].segmentation.labels)


def test_a_viewer_that_comes_late_sees_the_last_frame_at_once(
    client: httpx.Client, service: StreetService, street: list[Result]
) -> None:
    service.publish(street[0])  # and then the camera is lost
    with client.stream("GET", "/stream/overlay.mjpg") as answer:
        ((headers, _),) = parts(answer, 1)
    assert headers["X-Seq"] == "0"


def test_a_stream_can_be_slowed_down(client: httpx.Client, service: StreetService, street: list[Result]) -> None:
    with driving(service, street, 0.01), client.stream("GET", "/stream/camera.mjpg?fps=10") as answer:
        began = time.monotonic()
        parts(answer, 6)
        took_s = time.monotonic() - began
    assert took_s > 0.4, "the first comes at once, five more a tenth of a second apart"


def test_streams_share_what_is_encoded(sink: HttpSink, service: StreetService, street: list[Result]) -> None:
    with httpx.Client(base_url=sink.url, timeout=20.0) as client:
        answers = [client.stream("GET", "/stream/mask.mjpg") for _ in range(5)]
        opened = [answer.__enter__() for answer in answers]
        wait_until(lambda: sink.status()["watching"] == {"mask": 5})
        service.publish(street[0])
        bodies = {parts(response, 1)[0][1] for response in opened}
        assert len(bodies) == 1
        assert sink.status()["encoded"] == {"mask": 1}
        for answer in answers:
            answer.__exit__(None, None, None)
    wait_until(lambda: sink.status()["streams"] == 0)


def test_result_is_the_contracts_json(client: httpx.Client, service: StreetService, street: list[Result]) -> None:
    assert client.get("/api/result").status_code == 503
    service.publish(street[1])
    document = client.get("/api/result").json()
    assert document["seq"] == 1 and document["source"] == "rtsp://cam/1"
    assert list(document["classes"]) == list(CAMVID_11.names)
    assert sum(row["pixels"] for row in document["classes"].values()) + document["void_pixels"] == SIZE[0] * SIZE[1]


def test_a_lost_cameras_picture_is_stale_wherever_it_is_asked_for(
    client: httpx.Client, service: StreetService, street: list[Result]
) -> None:
    works = [True]
    service.publish(replace(renumbered(street[0], 1), origin=Origin("rtsp://cam/1", 60.0, lambda: works[0])))
    assert client.get("/frame/mask.jpg").headers["x-stale"] == "0"
    with client.stream("GET", "/stream/mask.mjpg") as answer:
        assert parts(answer, 1)[0][0]["X-Stale"] == "0"
    works[0] = False
    time.sleep(0.2)
    assert client.get("/frame/mask.jpg").headers["x-stale"] == "1"
    assert client.get("/api/result").json()["stale"]
    with client.stream("GET", "/stream/mask.mjpg") as answer:
        headers = parts(answer, 1)[0][0]
        assert headers["X-Stale"] == "1" and float(headers["X-Age-Ms"]) >= 200
    with client.stream("GET", "/api/stream") as answer:
        (told,) = [data for name, data in events(answer, 2) if name == "result"]
        assert told["stale"] and told["age_ms"] >= 200


def test_events_carry_results_and_status(client: httpx.Client, service: StreetService, street: list[Result]) -> None:
    with driving(service, street), client.stream("GET", "/api/stream") as answer:
        found = events(answer, 40)
    results = [data for name, data in found if name == "result"]
    assert {name for name, _ in found} == {"result", "status"}
    seqs = [data["seq"] for data in results]
    assert seqs == sorted(set(seqs)) and results[0]["camera"] == "front"


def test_events_report_the_status_without_any_frame(client: httpx.Client) -> None:
    with client.stream("GET", "/api/stream?rate=5") as answer:
        ((name, data),) = events(answer, 1)
    assert name == "status" and set(data["cameras"]) == {"front", "rear"}


def test_cameras_are_told_apart(client: httpx.Client, service: StreetService, street: list[Result]) -> None:
    rear = drive(1, camera="rear")[0]
    service.publish(street[2])
    service.publish(rear)
    assert client.get("/api/result").json()["camera"] == "front", "the first of the config"
    assert client.get("/api/result?camera=rear").json()["camera"] == "rear"
    with client.stream("GET", "/api/stream") as answer:
        assert {data["camera"] for name, data in events(answer, 3) if name == "result"} == {"front", "rear"}
    unknown = client.get("/api/result?camera=left")
    assert unknown.status_code == 404 and "front, rear" in unknown.json()["error"]


def test_a_camera_that_a_reload_removes_ends_its_streams(
    client: httpx.Client, service: StreetService, street: list[Result]
) -> None:
    service.publish(street[0])
    with client.stream("GET", "/stream/mask.mjpg?camera=front") as answer:
        parts_left = answer.iter_raw()
        next(parts_left)
        service.cameras = {"rear": CameraTelemetry()}
        for _ in parts_left:
            pass
    assert client.get("/frame/mask.jpg?camera=front").status_code == 404


def test_classes_and_a_model_that_is_waited_for(client: httpx.Client, service: StreetService) -> None:
    document = client.get("/api/classes").json()
    assert document["classes"][0] == {"id": 0, "name": "Sky", "colour": [128, 128, 128]}
    assert document["void"]["id"] == 11
    service.view = None
    assert client.get("/api/classes").status_code == 503


def test_health_and_readiness(client: httpx.Client, service: StreetService) -> None:
    assert client.get("/healthz").json() == {"healthy": True}
    assert client.get("/readyz").json() == {"ready": True}
    service.healthy = service.ready = False
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 503


def test_head_is_answered_without_a_body(client: httpx.Client, service: StreetService, street: list[Result]) -> None:
    service.publish(street[0])
    for path in ("/frame/overlay.jpg", "/stream/overlay.mjpg", "/api/stream"):
        answer = client.head(path)
        assert answer.status_code == 200 and answer.content == b"", path


def test_metrics_can_be_scraped(client: httpx.Client, service: StreetService, street: list[Result]) -> None:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
    from prometheus_client.parser import text_string_to_metric_families as parse

    for result in street:
        service.publish(result)
    text = client.get("/metrics").text
    families = {family.name: family for family in parse(text)}
    assert all(name.startswith("edge_segnet_") for name in families)
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert samples["edge_segnet_frames_total", "front"] == 3
    assert samples["edge_segnet_camera_state", "front", "running"] == 1
    assert samples["edge_segnet_camera_state", "front", "lost"] == 0
    shares = [value for (name, *labels), value in samples.items() if name == "edge_segnet_class_share"]
    assert sum(shares) == pytest.approx(1.0)
    assert samples["edge_segnet_stage_seconds_sum", "front", "network"] == pytest.approx(3 * 0.02025)
    assert samples["edge_segnet_temperature_celsius", "cpu"] == 51.5
    assert samples["edge_segnet_sink_state", "http", "listening"] == 1
    assert samples["edge_segnet_sink_error", "http"] == samples["edge_segnet_sink_queue", "http"] == 0
    assert samples["edge_segnet_sink_dropped_total", "http"] == 0
    openmetrics = client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    found = parse_open(openmetrics.text)  # type: ignore[no-untyped-call]
    assert {family.name for family in found} >= {"edge_segnet_frames", "edge_segnet_ready"}


def test_age_is_taken_when_the_last_byte_was_written(
    client: httpx.Client, service: StreetService, sink: HttpSink, street: list[Result]
) -> None:
    with driving(service, street), client.stream("GET", "/stream/mask.mjpg") as answer:
        parts(answer, 3)
    age = sink.status()["written_age_ms"]
    assert age is not None and 0 < age["p50"] <= age["p95"] <= age["p99"] < 20_000
