"""The power goes while everything writes, three times. The first start after it works, and what was told is there."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sinks.mqtt.mosquitto import Mosquitto
from tests.sinks.mqtt.receiver import Receiver
from tests.support.waiting import wait_until
from tests.vm.service import SLOW_S, Service
from tools.system import vm

CUTS = 3
EVENTS = 2
"""Before each."""
CAMERA = "http://127.0.0.1:9000/camera.mjpg"
SYNCED_S = 5.0
"""What a power cut takes at most (docs/integrations.md)."""
WRITES = """
http: {{port: 8080}}
regions: {{all: {{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}}
rules: [{{name: sky, region: all, class: Sky, above: {above}, clear_below: {above}}}]
jsonl: {{free_mb: 0}}
video: {{free_mb: 0}}
recording: {{mode: continuous, free_mb: 0}}
mqtt: {{url: "mqtt://10.0.2.100:1883", prefix: robot}}
"""
CHECK = """
import json, sys
from pathlib import Path
import av
from mcap.reader import make_reader
found, bad = {}, []
for path in Path("/var/lib/edge-segnet").rglob("edge-segnet-*"):
    try:
        if path.suffix == ".jsonl":
            count = len([json.loads(line) for line in path.read_text().splitlines()])
        elif path.suffix == ".mcap":
            with path.open("rb") as file:
                count = sum(1 for _ in make_reader(file).iter_messages())
        elif path.suffix == ".mkv":
            with av.open(str(path)) as video:
                count = sum(1 for packet in video.demux(video=0) if packet.size)
        else:
            continue
    except Exception as error:
        bad.append(f"{path.name}: {error!r}")
        continue
    if not count:
        bad.append(f"{path.name}: empty")
    found[path.suffix] = found.get(path.suffix, 0) + count
print(json.dumps({"found": found, "bad": bad}))
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """On this machine, as a robot's is elsewhere: the cut does not touch it."""
    with Mosquitto(tmp_path) as running:
        yield running


class Robot:
    """The machine, from one cut to the next."""

    def __init__(self, disk: Path, port: int) -> None:
        self._disk, self._network = disk, f"guestfwd=tcp:10.0.2.100:1883-tcp:127.0.0.1:{port}"
        self.guest: vm.Guest | None = None
        self.boots = 0
        self.told: set[str] = set()
        """Events that a viewer was shown."""
        self.counted = {"jsonl": 0, "video": 0, "recording": 0}
        """What was said to be written, long enough before a cut."""

    def boot(self) -> Service:
        network = ["-netdev", f"user,id=net,restrict=on,{self._network}", "-device", "virtio-net-pci,netdev=net"]
        self.guest = guest = vm.boot(self._disk, "power", network)
        guest.ok("ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; systemctl start camera")
        service = Service(guest)
        self.boots += 1
        if self.boots == 1:
            guest.ok("systemctl stop edge-segnet", 600)
            service.settings(CAMERA, WRITES.format(above=0.0))
        service.answers()
        service.until_frames()
        assert guest.ok("systemctl show edge-segnet -p NRestarts --value").strip() == "0", service.log()
        return service

    def work(self, service: Service) -> None:
        """Until all have written, with events before and after."""
        for change in range(EVENTS):
            name = f"sky{self.boots}{change}"  # a new rule is on at once: an event
            text = WRITES.format(above=0.0).replace("name: sky", f"name: {name}")
            service.configure(CAMERA, text)
            service.guest.ok("systemctl reload edge-segnet")
        end = time.monotonic() + SLOW_S
        while not all(self._written(service).values()):
            assert time.monotonic() < end, service.status()["sinks"]
            time.sleep(1)
        counted, self.told = self._written(service), self.told | ids(service)
        time.sleep(SYNCED_S + 1)
        self.counted = {name: self.counted[name] + counted[name] for name in counted}
        time.sleep(random.Random(self.boots).uniform(0, 3))

    def _written(self, service: Service) -> dict[str, int]:
        sinks = service.status()["sinks"]
        return {name: sinks[name]["written"] for name in self.counted}


def ids(service: Service) -> set[str]:
    told = json.loads(service.guest.ok("curl -sf 'http://127.0.0.1:8080/api/events?limit=1000'"))
    return {event["id"] for event in told["events"]}


def test_the_power_goes(disk: Path, broker: Mosquitto) -> None:
    robot = Robot(disk, broker.port)
    with Receiver(broker.port, "robot/event") as receiver:
        try:
            _cut_and_look(robot, receiver)
        finally:
            if robot.guest is not None:
                robot.guest.cut()
    print(f"{CUTS} cuts: {len(robot.told)} events, {robot.counted} promised and found")  # noqa: T201


def _cut_and_look(robot: Robot, receiver: Receiver) -> None:
    for _ in range(CUTS):
        service = robot.boot()
        robot.work(service)
        service.guest.cut()
    service = robot.boot()
    assert len(robot.told) >= CUTS * EVENTS and not robot.told - ids(service)
    wait_until(lambda: not robot.told - {one.document["id"] for one in tuple(receiver.messages)}, SLOW_S)
    service.guest.wait("! find /var/lib/edge-segnet -name '*.part*' | grep -q .", SLOW_S)
    service.guest.ok("systemctl stop edge-segnet")
    service.guest.write("/srv/check.py", CHECK)
    found = json.loads(service.guest.ok("/opt/edge-segnet/bin/python /srv/check.py", 600))
    assert not found["bad"], found
    kinds = {"jsonl": ".jsonl", "video": ".mkv", "recording": ".mcap"}
    assert all(found["found"][kinds[name]] >= count for name, count in robot.counted.items()), (
        found,
        robot.counted,
    )
    sent = [one.document["id"] for one in tuple(receiver.messages)]
    assert len(sent) == len(set(sent)), "none twice"
