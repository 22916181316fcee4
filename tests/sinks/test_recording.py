"""Recordings as others read them, and the flight recorder."""

from __future__ import annotations

import json
import logging
import platform
import random
import signal
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from mcap.reader import make_reader

from edge_segnet.core.classes import CAMVID_11, CITYSCAPES_19
from edge_segnet.core.errors import SettingsError
from edge_segnet.core.pace import RateLimiter
from edge_segnet.core.types import View
from edge_segnet.service.sinks import SinkManager
from edge_segnet.settings.regions import RegionConfig
from edge_segnet.settings.schema import Config
from edge_segnet.sinks.files.retention import Retention
from edge_segnet.sinks.messages import Message, Messages, Topic
from edge_segnet.sinks.recording.mcap_file import is_whole
from edge_segnet.sinks.recording.settings import RecordingConfig
from edge_segnet.sinks.registry import load
from edge_segnet.sources.mcap_outline import ROBOT
from tests.support.command import edge_segnet
from tests.support.models import save_tiny
from tests.support.pictures import read_labels
from tests.support.program import program
from tests.support.recordings import event_now, files_in, messages_in, play, recording, street, topics_in
from tests.support.service import StreetService
from tests.support.waiting import wait_until


def test_a_recording_holds_what_foxglove_shows(tmp_path: Path) -> None:
    service = StreetService()
    service.changes["model_sha256"] = "ab" * 32
    ahead = RegionConfig(polygon=[[0.25, 1.0], [0.75, 1.0], [0.5, 0.5]])
    shown = replace(street()[0], view=View(CAMVID_11, regions={"ahead": ahead}))
    with recording(tmp_path, service, images=["camera", "mask", "overlay"]) as sink:
        sink.publish(shown)
        logging.getLogger("edge_segnet.test").warning("a %s line", "log")
        wait_until(lambda: sink.status()["written"] >= 7)
        assert sink.status()["state"] == "recording" and sink.status()["error"] is None
    (path,) = files_in(tmp_path)
    found = {topic: (schema, decoded) for topic, schema, decoded in messages_in(path)}
    assert {topic: schema for topic, (schema, _) in found.items()} == {
        "/front/image": "foxglove.CompressedImage",
        "/front/mask": "foxglove.CompressedImage",
        "/front/overlay": "foxglove.CompressedImage",
        "/front/regions": "foxglove.ImageAnnotations",
        "/front/result": "edge_segnet.Result",
        "/status": "edge_segnet.Status",
        "/log": "foxglove.Log",
    }
    assert found["/log"][1].message == "a log line" and found["/log"][1].level == 3
    assert found["/front/result"][1]["classes"].keys() == set(CAMVID_11.names)
    outline = found["/front/regions"][1].points[0].points
    assert [(point.x, point.y) for point in outline] == [(40, 120), (120, 120), (80, 60)]
    camera, mask = found["/front/image"][1], found["/front/mask"][1]
    assert camera.format == "jpeg" and camera.frame_id == "front"
    assert abs(camera.timestamp.seconds - shown.frame.captured_at) <= 1
    picture = cv2.imdecode(np.frombuffer(camera.data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert float(np.abs(picture.astype(int) - shown.frame.image).mean()) < 6
    (tmp_path / "mask.png").write_bytes(mask.data)
    assert np.array_equal(read_labels(tmp_path / "mask.png"), shown.segmentation.labels)
    colours = cv2.imread(str(tmp_path / "mask.png"))
    assert colours is not None and np.array_equal(colours, CAMVID_11.lut_bgr[shown.segmentation.labels])
    with path.open("rb") as file:
        metadata = {each.name: each.metadata for each in make_reader(file).iter_metadata()}
    assert json.loads(metadata["edge-segnet"]["classes"])["name"] == "camvid-11"
    assert metadata["edge-segnet"]["model_sha256"] == "ab" * 32
    assert metadata[ROBOT[0]] == {ROBOT[1]: platform.node()}


def test_a_result_is_told_by_its_own_model_whatever_is_at_work_now() -> None:
    service = StreetService()
    service.view = View(CITYSCAPES_19)
    message = Messages(service, 80).of(street()[0], "result")
    assert message is not None and list(json.loads(message.data)["classes"]) == list(CAMVID_11.names)
    assert list(json.loads(message.topic.schema)["properties"]["classes"]["properties"]) == list(CAMVID_11.names)
    assert Messages(service, 80).of(street()[0], "regions") is None


def test_a_flight_recorder_writes_what_was_before_and_after_an_event(tmp_path: Path) -> None:
    service = StreetService()
    with recording(tmp_path, service, mode="ring", seconds=60, after_s=1.5) as sink:
        play(sink, 20)
        assert sink.status()["state"] == "waiting" and sink.status()["queue"] >= 60
        assert files_in(tmp_path) == []
        service.events.append(event_now(), lambda: b"jpeg")
        wait_until(lambda: sink.status()["triggers"] == 1)
        play(sink, 5, since=20)
        wait_until(lambda: sink.status()["state"] == "waiting")
        (path,) = files_in(tmp_path)
        assert path.name.endswith("-road-lost-1.mcap") and is_whole(path)
        found = messages_in(path)
        assert [each["seq"] for topic, _, each in found if topic == "/front/result"] == list(range(25))
        assert [each["rule"] for topic, _, each in found if topic == "/events"] == ["road lost/1"]
        assert [each.data for topic, _, each in found if topic == "/events/snapshot"] == [b"jpeg"]
        service.events.append(event_now("clear"))
        play(sink, 5, since=30)
        sink.trigger("asked")
        wait_until(lambda: len(files_in(tmp_path)) == 2 and sink.status()["state"] == "waiting")
    after = messages_in(files_in(tmp_path)[1])
    assert [each["kind"] for topic, _, each in after if topic == "/events"] == ["clear"]
    assert {each["seq"] for topic, _, each in after if topic == "/front/result"} <= set(range(25, 35))


def test_a_ring_is_bounded_in_time_and_memory(tmp_path: Path) -> None:
    with recording(tmp_path, StreetService(), mode="ring", seconds=0.4) as sink:
        play(sink, 10)
        wait_until(lambda: sink.status()["queue"] <= 1)
        assert sink.status()["dropped"] == 0
    with recording(tmp_path, StreetService(), mode="ring", seconds=600, memory_mb=8) as sink:
        big = Topic("/big", "json", "x", "jsonschema", b"{}")
        for _ in range(30):
            sink._recorder.put(Message(big, 0, bytes(1_000_000)))
        assert sink.status()["queue"] == 7 and sink.status()["queue_mb"] <= 8
    assert files_in(tmp_path) == []


def test_files_change_by_size_and_time_and_the_oldest_go(tmp_path: Path) -> None:
    topic = Topic("/noise", "json", "x", "jsonschema", b"{}")
    noise = random.Random(0)
    with recording(tmp_path, StreetService(), max_mb=1, keep_mb=3) as sink:
        for seq in range(8):
            sink._recorder.put(Message(topic, seq, noise.randbytes(1_100_000)))
            wait_until(lambda: sink.status()["queue"] == 0)
    sizes = [path.stat().st_size for path in files_in(tmp_path)]
    assert len(sizes) >= 2 and all(is_whole(path) for path in files_in(tmp_path))
    assert sum(sizes) <= 4_500_000 and sink.status()["removed"] > 0
    assert max(sizes) < 3_300_000
    for path in files_in(tmp_path):
        path.unlink()
    with recording(tmp_path, StreetService(), max_s=1.0) as sink:
        wait_until(lambda: len(files_in(tmp_path)) >= 2)


def test_a_rate_is_kept_on_average() -> None:
    turns = RateLimiter(10.0)
    assert sum(turns.mine("a", 0.04 * index) for index in range(250)) == pytest.approx(100, abs=1)
    assert turns.mine("b", 0.0) and not turns.mine("b", 0.05)
    assert all(RateLimiter(None).mine("a", 0.0) for _ in range(3))


def test_names_survive_a_clock_that_is_set_back(tmp_path: Path) -> None:
    shelf = Retention(tmp_path, RecordingConfig(), ".mcap")
    made = []
    for _ in range(3):
        path = shelf.new_file("a b/c")
        path.touch()
        made.append(path)
    assert len({*made}) == 3 and all("-a-b-c" in path.name for path in made)


def test_a_folder_that_cannot_be_written_is_told_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = tmp_path / "c.yaml"
    settings.write_text(f"http: null\nrecording:\n  path: {tmp_path}/file/x\n")
    config = load(settings)
    said = r"c\.yaml:3: recording\.path: .*/file/x can't be written \(Not a directory\)"
    with pytest.raises(SettingsError, match=said):
        SinkManager(StreetService(), {}).check(config)
    assert isinstance(config, Config)


def test_the_program_records_when_it_is_asked(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "tiny.onnx")
    folder = tmp_path / "recordings"
    settings = f"recording={{path: {folder}, mode: ring, after_s: 0.5, free_mb: 0}}"
    with program("-m", model, "--set", settings) as service:
        service.wait_ready()
        told = service.get("/api/status").json()["sinks"]["recording"]
        assert told["state"] == "waiting" and told["path"] == str(folder)
        service.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: any("holds what happened" in line for line in service.log))
        assert service.end() < 10
    (path,) = files_in(folder)
    assert path.name.endswith("-asked.mcap")
    assert {"/camera/image", "/camera/mask", "/camera/result", "/status", "/log"} <= topics_in(path)


def test_the_program_records_when_a_rule_fires(tmp_path: Path) -> None:
    rules = [{"name": f"any-{name}", "region": "all", "class": name, "above": 0.02} for name in CAMVID_11.names]
    document = {
        "model": str(save_tiny(tmp_path / "tiny.onnx")),
        "http": {"port": 0},
        "regions": {"all": {"polygon": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]}},
        "rules": rules,
        "recording": {"path": str(tmp_path / "recordings"), "mode": "ring", "after_s": 0.5, "free_mb": 0},
    }
    settings = tmp_path / "c.yaml"
    settings.write_text(json.dumps(document))  # which is YAML, too
    state = {"STATE_DIRECTORY": str(tmp_path / "state")}
    with program("--config", settings, "--set", "http.port=0", environment=state) as service:
        wait_until(lambda: any("holds what happened" in line for line in service.log), 40)
        assert service.end() < 10
    path = files_in(tmp_path / "recordings")[0]
    found = messages_in(path)
    fired = [each for topic, _, each in found if topic == "/events" and each["kind"] == "start"]
    assert fired and f"-{fired[0]['rule']}.mcap" in path.name
    assert "/events/snapshot" in {topic for topic, _, _ in found}
    assert fired[0]["frame_seq"] in {each["seq"] for topic, _, each in found if topic == "/camera/result"}


def test_check_refuses_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = tmp_path / "c.yaml"
    settings.write_text(f"http: null\nrecording: {{path: {tmp_path}/file/x}}\n")
    done = edge_segnet("run", "--config", settings, "--check")
    assert done.code == 2 and "c.yaml:2: recording.path:" in done.err and len(done.err.strip().splitlines()) == 1


def test_without_a_recorder_the_signal_ends_nothing(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "tiny.onnx")
    with program("-m", model) as service:
        service.wait_ready()
        service.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: any("nothing records" in line for line in service.log))
        assert service.get("/healthz").status_code == 200
