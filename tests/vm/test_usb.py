"""A USB camera behind the kernel's own driver: modes, faults, and the plug pulled twenty times."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

import pytest

from tests.vm.service import SLOW_S, Service

HIDE = "/etc/systemd/system/edge-segnet.service.d/opencv.conf"
REPLUGS = int(os.environ.get("VM_REPLUGS", "20"))


@pytest.fixture(params=["gstreamer", "opencv"])
def reader(service: Service, request: pytest.FixtureRequest) -> Iterator[str]:
    """Who reads the camera: without PyGObject, OpenCV does."""
    name = str(request.param)
    if name == "opencv":
        service.guest.write(HIDE, "[Service]\nInaccessiblePaths=/usr/lib/python3/dist-packages/gi\n")
        service.guest.ok("systemctl daemon-reload; systemctl stop edge-segnet", 600)
    service.plug()
    yield name
    service.unplug()
    if name == "opencv":
        service.guest.ok(f"rm {HIDE}; systemctl daemon-reload; systemctl stop edge-segnet", 600)


MODES = {
    "width=320&height=240&fps=15&format=raw": ("YUYV", "320/240", [320, 240]),
    "width=1280&height=720&format=mjpeg": ("MJPG", "1280/720", [1280, 720]),
}


@pytest.mark.usefixtures("reader")
def test_modes(service: Service) -> None:
    """What was asked for is what the driver was set to; what it can't do is said."""
    for wish, (code, size, shown) in MODES.items():
        service.settings(f"v4l2:///dev/video0?{wish}")
        assert service.until_frames()["source_size"] == shown
        told = service.guest.ok("v4l2-ctl -d /dev/video0 --get-fmt-video")
        assert f"'{code}'" in told and size in told, told
    service.settings("v4l2:///dev/video0?width=800&height=600")
    assert "800x600" in service.until_state("missing")["message"]


@pytest.mark.usefixtures("reader")
def test_faults(service: Service) -> None:
    service.settings(
        "v4l2:///dev/video0?width=640&height=480&format=mjpeg", camera=", static_after_s: 5, stall_after_s: 3"
    )
    service.until_frames()
    service.mood("cut")
    before = service.camera["dropped"]["damaged"]
    service.until(lambda camera: camera["dropped"]["damaged"] > before + 3)
    frames = service.until_state("stalled", "lost")["frames"]
    service.mood("ok")
    service.until(lambda camera: camera["state"] == "running" and camera["frames"] > frames)
    for mood, states in (("stall", ("stalled",)), ("freeze", ("static",)), ("black", ("black",))):
        service.mood(mood)
        service.until_state(*states)
        service.mood("ok")
        service.until_frames()


def test_pulled_and_plugged_twenty_times(service: Service, reader: str) -> None:
    service.settings("0")
    service.until_frames()
    before, took_s = service.holds(), []
    for _ in range(REPLUGS):
        service.unplug()
        service.until_state("lost", "missing")
        service.plug()
        service.until_frames(1)
        took_s.append(back_s(service))
    after = service.holds()
    assert service.guest.ok("ls /dev/video*").split() == ["/dev/video0", "/dev/video1"]
    assert after[0] <= before[0] and after[1] <= before[1], (before, after)
    middle, most = sorted(took_s)[REPLUGS // 2], max(took_s)
    print(f"{reader}: {REPLUGS} times; descriptors {before[0]} -> {after[0]}, threads {before[1]} -> {after[1]}")  # noqa: T201
    print(f"{reader}: runs {middle:.1f} s after the kernel has the camera, {most:.1f} at most")  # noqa: T201


def back_s(service: Service) -> float:
    """From the kernel's word that there is a camera to the service's that it runs, by the journal's clock."""
    lines = service.guest.ok("journalctl -b -o json --output-fields=MESSAGE --no-pager -n 400").splitlines()
    told = [(int(line["__MONOTONIC_TIMESTAMP"]) / 1e6, str(line.get("MESSAGE"))) for line in map(json.loads, lines)]
    found = max(at for at, text in told if re.search("Found UVC", text))
    return max(at for at, text in told if "front: running" in text) - found


def test_its_number_is_taken(service: Service) -> None:
    """It comes back as another one while somebody holds its old number, and is found; a stranger there is not taken."""
    service.plug()
    service.settings("0")
    service.until_frames()
    service.guest.ok("systemd-run -q --unit=holder sh -c 'exec sleep 1000 < /dev/video0'")
    service.unplug()
    service.plug()
    assert "/dev/video0" not in service.guest.ok("ls /dev/video*")
    service.until_frames()
    service.guest.ok("systemctl stop holder")
    service.unplug()
    service.plug("1001")
    assert "another camera" in service.until(lambda camera: "another" in camera["message"])["message"]
    service.plug()
    service.until_frames()
    service.unplug("1001")
    service.unplug()


def test_a_name_of_udev(service: Service) -> None:
    service.guest.write(
        "/etc/udev/rules.d/90-robot.rules", 'SUBSYSTEM=="video4linux", ATTR{index}=="0", SYMLINK+="camera_front"\n'
    )
    service.guest.ok("udevadm control --reload")
    service.plug()
    service.guest.wait("test -e /dev/camera_front", SLOW_S)
    service.settings("/dev/camera_front")
    service.until_frames()
    service.unplug()
    service.until_state("lost", "missing")
    service.plug()
    service.until_frames()
    service.unplug()


def test_vivid(service: Service) -> None:
    """The kernel's own camera of test pictures: unbound from its driver, and bound again."""
    service.guest.ok("modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0")
    driver = "/sys/bus/platform/drivers/vivid"
    service.settings("0")
    service.until_frames()
    service.guest.ok(f"echo vivid.0 > {driver}/unbind")
    service.until_state("lost", "missing")
    service.guest.ok(f"echo vivid.0 > {driver}/bind")
    service.until_frames()
    service.guest.ok("systemctl stop edge-segnet; modprobe -r vivid")
