"""Recordings as others read them: through mcap's own reader and protobuf's, whole and broken off."""

from __future__ import annotations

import json
import logging
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.stream_reader import StreamReader
from mcap_protobuf.decoder import DecoderFactory

from edge_segnet.classes import CAMVID_11
from edge_segnet.config import Config, RecordingConfig
from edge_segnet.config_file import load
from edge_segnet.config_regions import RegionConfig
from edge_segnet.daemon.outlets import Outlets
from edge_segnet.errors import ConfigError
from edge_segnet.events import Event, utc
from edge_segnet.imaging import read_labels
from edge_segnet.sinks.messages import Message, Messages, Topic
from edge_segnet.sinks.recording import RecordingSink
from edge_segnet.sinks.recording.mcap_file import McapFile, is_whole, repair
from edge_segnet.sinks.shelf import Shelf
from edge_segnet.sinks.turns import Turns
from tests.command import edge_segnet
from tests.conftest import left_in
from tests.models import save_tiny
from tests.program import program
from tests.service import StreetService, drive, renumbered
from tests.waiting import wait_until

PLAIN: dict[str, Any] = {"free_mb": 0}
street = cache(lambda: drive(2))


def messages_in(path: Path) -> list[tuple[str, str, Any]]:
    """(topic, schema, decoded) of every message, by the index."""
    found = []
    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        for schema, channel, message in reader.iter_messages(log_time_order=False):
            assert schema is not None
            if channel.message_encoding == "json":
                decoded = json.loads(message.data)
            else:
                decoded = DecoderFactory().decoder_for("protobuf", schema)(message.data)  # type: ignore[misc]
            found.append((channel.topic, schema.name, decoded))
    return found


def raw_in(path: Path) -> list[tuple[str, bytes]]:
    """(topic, data) of every message, by the index."""
    with path.open("rb") as file:
        found = make_reader(file).iter_messages(log_time_order=False)
        return [(channel.topic, message.data) for _, channel, message in found]


def topics_in(path: Path) -> set[str]:
    return {topic for topic, _, _ in messages_in(path)}


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.mcap"))


@contextmanager
def recording(folder: Path, service: StreetService, **settings: Any) -> Iterator[RecordingSink]:
    sink = RecordingSink(RecordingConfig(path=folder, **{**PLAIN, **settings}), service)
    sink.start()
    try:
        yield sink
    finally:
        sink.close()


def play(sink: RecordingSink, frames: int, since: int = 0, pause_s: float = 0.0) -> None:
    """Publish frames of the street as a camera gives them."""
    for seq in range(since, since + frames):
        sink.publish(renumbered(street()[seq % 2], seq))
        time.sleep(pause_s)


def test_a_recording_holds_what_foxglove_shows(tmp_path: Path) -> None:
    service = StreetService()
    service.regions = {"ahead": RegionConfig(polygon=[[0.25, 1.0], [0.75, 1.0], [0.5, 0.5]])}
    shown = street()[0]
    with recording(tmp_path, service, images=["camera", "mask", "overlay"]) as sink:
        sink.publish(shown)
        logging.getLogger("edge_segnet.test").warning("a %s line", "log")
        wait_until(lambda: sink.status()["written"] >= 7)
        assert sink.status()["state"] == "recording" and sink.status()["error"] is None
    (path,) = files_in(tmp_path)
    found = {topic: (schema, decoded) for topic, schema, decoded in messages_in(path)}
    assert {topic: schema for topic, (schema, _) in found.items()} == {
        "/front/camera": "foxglove.CompressedImage",
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
    camera, mask = found["/front/camera"][1], found["/front/mask"][1]
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
        (metadata,) = make_reader(file).iter_metadata()
    assert json.loads(metadata.metadata["classes"])["name"] == "camvid-11"


def event_now(kind: str = "start", rule: str = "road lost/1") -> Event:
    return Event(rule, "ahead", "front", "Road", kind, utc(time.time()), 0.25, 0.4, 7)  # type: ignore[arg-type]


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


def sample(path: Path) -> tuple[bytes, list[tuple[int, int]]]:
    """A file of several chunks, its bytes, and (end of a chunk, messages up to there)."""
    messages = Messages(StreetService(), 80)
    small = drive(2, (64, 48))
    file, marks = McapFile(path, {"model": "tiny"}), []
    for seq in range(24):
        for kind in ("camera", "mask", "result"):
            message = messages.of(renumbered(small[seq % 2], seq), kind)
            assert message is not None
            file.write(message)
        if seq % 3 == 2:
            file.flush()
            marks.append((file.size, 3 * (seq + 1)))
    file.finish()
    return path.read_bytes(), marks


def test_a_file_cut_anywhere_keeps_every_whole_chunk(tmp_path: Path) -> None:
    data, marks = sample(tmp_path / "whole.mcap")
    whole = raw_in(tmp_path / "whole.mcap")
    assert len(whole) == 72 and is_whole(tmp_path / "whole.mcap")
    places = [*random.Random(1).sample(range(len(data)), 120), 0, 8, len(data) - 1]
    cut = tmp_path / "cut.mcap"
    for place in places:
        cut.write_bytes(data[:place])
        expected = max((count for end, count in marks if end <= place), default=0)
        assert not is_whole(cut)
        count = repair(cut)
        assert count >= expected, (place, count)  # a chunk may be whole before its index is
        if count:
            assert is_whole(cut) and raw_in(cut) == whole[:count]
        else:
            assert cut.read_bytes() == data[:place]
    assert left_in(tmp_path) == ["cut.mcap", "whole.mcap"]


def test_a_damaged_file_keeps_what_is_before_the_damage(tmp_path: Path) -> None:
    data, marks = sample(tmp_path / "whole.mcap")
    bad = tmp_path / "bad.mcap"
    for place in random.Random(2).sample(range(marks[0][0], marks[-1][0]), 40):
        bad.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 : -4])
        assert repair(bad) >= max(count for end, count in marks if end <= place), place
        assert is_whole(bad)


WRITER = """
import sys, time
from pathlib import Path
from tests.service import StreetService
from tests.test_recording import play, recording
with recording(Path(sys.argv[1]), StreetService()) as sink:
    print("ready", flush=True)
    play(sink, 100_000, pause_s=0.005)
"""


def test_a_killed_recording_is_readable_and_completed_at_the_next_start(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
    time.sleep(1.7)  # any moment will do
    wait_until(lambda: [path for path in files_in(tmp_path) if path.stat().st_size > 100_000])
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    (path,) = files_in(tmp_path)
    assert not is_whole(path)
    with path.open("rb") as file:
        streamed = 0
        with pytest.raises(Exception, match=r".*"):
            for record in StreamReader(file).records:
                streamed += type(record).__name__ == "Message"
    assert streamed > 50
    with recording(tmp_path, StreetService(), mode="ring"):
        wait_until(lambda: is_whole(path))
    results = [each["seq"] for topic, _, each in messages_in(path) if topic == "/front/result"]
    assert len(messages_in(path)) == streamed and results == list(range(len(results)))


def test_somebody_elses_open_file_is_left_alone(tmp_path: Path) -> None:
    file = McapFile(tmp_path / "edge-segnet-x.mcap", {})
    assert is_whole(tmp_path / "edge-segnet-x.mcap")
    file.abandon()
    assert left_in(tmp_path) == []


class Disk:
    """A limit on the size of this process's files, which is how a test can have a full disk."""

    def __init__(self) -> None:
        self._soft, self._hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        self._ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def allow(self, size: int | None) -> None:
        """Files of so many bytes; None: any."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._soft if size is None else size, self._hard))

    def close(self) -> None:
        """As before."""
        self.allow(None)
        signal.signal(signal.SIGXFSZ, self._ignored)


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.close()


def test_a_full_disk_stops_recording_with_one_alarm_and_it_goes_on(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with recording(tmp_path, StreetService()) as sink:
        play(sink, 10)
        wait_until(lambda: sink.status()["written"] >= 30)
        disk.allow(100_000)
        seq = 10
        while sink.status()["state"] != "failed":
            play(sink, 10, since=seq, pause_s=0.01)
            seq += 10
        assert "File too large" in str(sink.status()["error"])
        broken = files_in(tmp_path)
        disk.allow(None)
        wait_until(lambda: sink.status()["state"] == "recording")
        wait_until(lambda: all(is_whole(path) for path in broken))
        seen = sink.status()["written"]
        play(sink, 5)
        wait_until(lambda: sink.status()["written"] >= seen + 15)
    alarms = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert [alarm.split(":")[0] for alarm in alarms if "recording" in alarm] == ["recording stops", "recording goes on"]
    for path in files_in(tmp_path):
        messages_in(path)


def test_an_incident_waits_for_room(tmp_path: Path, disk: Disk) -> None:
    with recording(tmp_path, StreetService(), mode="ring", after_s=0.2) as sink:
        play(sink, 40)
        disk.allow(20_000)
        sink.trigger("full")
        wait_until(lambda: sink.status()["state"] == "failed")
        time.sleep(0.3)  # beyond what follows
        disk.allow(None)
        wait_until(lambda: sink.status()["state"] == "waiting")
        seen = {each["seq"] for path in files_in(tmp_path) for t, _, each in messages_in(path) if t == "/front/result"}
        assert seen == set(range(40)) and sink.status()["dropped"] == 0


def test_room_that_is_to_stay_free_stays_free(tmp_path: Path) -> None:
    with recording(tmp_path, StreetService(), free_mb=100_000_000) as sink:
        play(sink, 3)
        wait_until(lambda: sink.status()["state"] == "failed")
        assert "100000000 MB are to stay free" in str(sink.status()["error"])
    assert files_in(tmp_path) == []


def test_a_rate_is_kept_on_average() -> None:
    turns = Turns(10.0)
    assert sum(turns.mine("a", 0.04 * index) for index in range(250)) == pytest.approx(100, abs=1)
    assert turns.mine("b", 0.0) and not turns.mine("b", 0.05)
    assert all(Turns(None).mine("a", 0.0) for _ in range(3))


def test_names_survive_a_clock_that_is_set_back(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, RecordingConfig(), ".mcap")
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
    with pytest.raises(ConfigError, match=said):
        Outlets(StreetService(), {}).check(config)
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
    assert {"/camera/camera", "/camera/mask", "/camera/result", "/status", "/log"} <= topics_in(path)


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
