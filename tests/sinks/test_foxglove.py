"""Foxglove's live connection: a real client over the real protocol."""

from __future__ import annotations

import json
import logging
import re
import socket
import ssl
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.sync.client import connect

from edge_segnet.core import threads
from edge_segnet.core.classes import CAMVID_11, CITYSCAPES_19
from edge_segnet.core.documents import StatusDocument
from edge_segnet.core.errors import SettingsError
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import Result, View
from edge_segnet.settings.sections import Tls
from edge_segnet.sinks.foxglove.settings import FoxgloveConfig
from edge_segnet.sinks.foxglove.sink import FoxgloveSink
from edge_segnet.sinks.messages import COMMON, WORDS, Messages
from tests.support.foxglove import PROTOCOL, Viewer, driving, opened, serving
from tests.support.models import save_tiny
from tests.support.program import program
from tests.support.recordings import event_now, street
from tests.support.service import StreetService, drive, renumbered
from tests.support.tls import self_signed
from tests.support.waiting import wait_until
from tools import foxglove_layout


def test_a_viewer_gets_what_it_subscribes_to_and_nothing_else_is_made() -> None:
    service = StreetService()
    with serving(service) as sink, driving(sink), opened(sink) as socket:
        viewer = Viewer(socket)
        viewer.subscribe("/front/mask", "/front/result", "/status", "/log", "/events")
        assert viewer.until("/front/mask").format == "png"
        assert viewer.until("/front/result")["classes"].keys() == set(CAMVID_11.names)
        assert viewer.until("/status")["model"] == "segnet-lite"
        logging.getLogger("edge_segnet.test").warning("seen live")
        assert viewer.until("/log").message == "seen live"
        service.events.append(event_now())
        assert viewer.until("/events")["rule"] == "road lost/1"
        told = sink.status()
        assert told["state"] == "listening" and told["clients"] == 1 and told["error"] is None
        assert "/front/mask" in told["watched"] and "/front/image" not in told["watched"]
        viewer.subscribe("/front/image", "/front/overlay")
        assert viewer.until("/front/overlay").format == viewer.until("/front/image").format == "jpeg"
    wait_until(lambda: sink.status()["clients"] == 0)


def of_cityscapes(result: Result) -> Result:
    """The same picture, segmented by another model."""
    counts = np.bincount(result.segmentation.labels.ravel(), minlength=20).astype(np.int64)
    segmentation = replace(result.segmentation, counts=counts)
    return replace(result, segmentation=segmentation, view=View(CITYSCAPES_19))


def test_topics_follow_cameras_and_models() -> None:
    service = StreetService("front", "rear")
    results = list(street())
    with serving(service) as sink, driving(sink, results), opened(sink) as socket:
        viewer = Viewer(socket)
        sink.publish(renumbered(drive(1, camera="rear")[0], 1))
        viewer.subscribe("/front/result", "/rear/result")
        service.cameras = {"front": CameraTelemetry()}
        while "/rear/result" in viewer.offered:
            viewer.read()
        before = viewer.offered["/front/result"]["id"]
        results[:] = [of_cityscapes(result) for result in results]
        while viewer.offered.get("/front/result", {}).get("id", before) == before:
            viewer.read()
        assert "traffic light" in viewer.offered["/front/result"]["schema"]


def test_a_fault_while_telling_is_told_and_survived() -> None:
    class Ill(StreetService):
        faults = 2

        def status(self) -> StatusDocument:
            if self.faults:
                self.faults -= 1
                raise LookupError("no board")
            return super().status()

    with serving(Ill()) as sink, opened(sink) as socket:
        wait_until(lambda: any(fault.thread == "foxglove-events" for fault in threads.faults()))
        viewer = Viewer(socket)
        viewer.subscribe("/status")
        assert viewer.until("/status")["model"] == "segnet-lite"


def test_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with serving(StreetService(), tls=Tls(certificate=certificate, key=key)) as sink:
        assert str(sink.url).startswith("wss://")
        trust = ssl.create_default_context(cafile=str(certificate))
        url = str(sink.url).replace("127.0.0.1", "localhost")
        with connect(url, subprotocols=[PROTOCOL], ssl=trust) as socket:
            assert json.loads(socket.recv(20))["op"] == "serverInfo"


def test_a_busy_port_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        sink = FoxgloveSink(FoxgloveConfig(port=occupied.getsockname()[1]), StreetService())
        sink.start()
        wait_until(lambda: sink.status()["error"])
        assert sink.status()["state"] == "waiting" and sink.url is None
    wait_until(lambda: sink.url)
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < 5


def test_other_machines_need_a_word() -> None:
    with pytest.raises(SettingsError, match=r"foxglove\.host: 0\.0\.0\.0 can be reached from other machines"):
        FoxgloveSink(FoxgloveConfig(host="0.0.0.0"), StreetService())
    FoxgloveSink(FoxgloveConfig(host="0.0.0.0", auth="none"), StreetService())


def test_the_program_serves_foxglove(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "tiny.onnx")
    with program("-m", model, "--set", "foxglove={port: 0}") as service:
        service.wait_ready()
        url = service.get("/api/status").json()["sinks"]["foxglove"]["url"]
        with connect(url, subprotocols=[PROTOCOL], max_size=None) as socket:
            viewer = Viewer(socket)
            viewer.subscribe("/camera/mask")
            assert viewer.until("/camera/mask").frame_id == "camera"
        assert service.end() < 10 and service.process.returncode == 0


def test_the_layout_asks_for_what_there_is() -> None:
    assert foxglove_layout.PAGE.read_text(encoding="utf-8") == foxglove_layout.text("front")
    panels = foxglove_layout.layout("front")
    placed: list[str] = []

    def walk(part: Any) -> None:
        if isinstance(part, str):
            placed.append(part)
        else:
            walk(part["first"])
            walk(part["second"])

    walk(panels["layout"])
    assert sorted(placed) == sorted(panels["configById"])
    text = json.dumps(panels["configById"])
    topics = set(re.findall(r'"(/[a-z/]+)[".]', text))
    messages = Messages(StreetService(), 80)
    views = {f"/front/{kind}" for kind in WORDS.values()}
    assert topics <= views | COMMON.keys() and {"/front/image", "/front/mask", "/events", "/log"} <= topics
    result = messages.topic(drive(1)[0], "result")
    assert result is not None
    schema = json.loads(result.schema)["properties"]
    for path in re.findall(r'"/front/result\.([\w.]+)"', text):
        part: Any = {"properties": schema}
        for name in path.split("."):
            part = part["properties"][name] if part.get("properties") else {}
