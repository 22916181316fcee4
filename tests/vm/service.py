"""What tests ask of the service in the virtual machine, and of its cameras."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tools.system.vm import Guest

CONFIG: Final = "/etc/edge-segnet/config.yaml"
NUMBER: Final = "1000"
"""The USB camera's serial number; its last digit modulo eight is its port."""
STATUS: Final = "http://127.0.0.1:8080/api/status"
SLOW_S: Final = 180.0
"""For anything to happen in a machine that is emulated."""


@dataclass
class Service:
    guest: Guest

    def configure(self, source: str, more: str = "", camera: str = "") -> None:
        """Other settings, for whoever reads them next."""
        self.guest.write(
            CONFIG, f"model: /srv/tiny.onnx\nthreads: 1\ncameras: {{front: {{source: '{source}'{camera}}}}}\n{more}"
        )

    def settings(self, source: str, more: str = "", camera: str = "") -> None:
        """Other settings at work."""
        self.configure(source, more, camera)
        self.guest.ok("systemctl reset-failed edge-segnet; systemctl reload-or-restart edge-segnet", 600)

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.guest.ok(f"curl -sf {STATUS}"))
        return told

    @property
    def camera(self) -> dict[str, Any]:
        """``none`` while the service has only begun."""
        front: dict[str, Any] = self.status()["cameras"].get("front", {"state": "none", "message": ""})
        return front

    def until(self, condition: Callable[[dict[str, Any]], object], seconds: float = SLOW_S) -> dict[str, Any]:
        """The camera's status as soon as ``condition`` holds for it."""
        end = time.monotonic() + seconds
        while not condition(told := self.camera):
            assert time.monotonic() < end, (told, self.evidence())
            time.sleep(0.3)
        return told

    def answers(self) -> None:
        """It listens: after a boot it has only begun."""
        done = self.guest.run(
            f"until curl -sf -o /dev/null {STATUS}; do [ $SECONDS -lt {SLOW_S:.0f} ] || exit 1; sleep 0.5; done",
            2 * SLOW_S,
        )
        assert done.code == 0, self.log()

    def until_state(self, *states: str) -> dict[str, Any]:
        return self.until(lambda camera: camera["state"] in states)

    def until_frames(self, count: int = 3) -> dict[str, Any]:
        """It runs, and new frames come."""
        before = self.until_state("running")["frames"]
        return self.until(lambda camera: camera["state"] == "running" and camera["frames"] >= before + count)

    def log(self) -> str:
        return self.guest.ok("journalctl -u edge-segnet --no-pager -o cat")

    def evidence(self) -> str:
        """What the service, the kernel and the camera's program said last."""
        ask = (
            "ls -l /dev/video* /dev/v4l/by-id; dmesg | tail -n 15; journalctl -u 'usb-camera@*' --no-pager -o cat -n 15"
        )
        return f"{self.log()[-2000:]}\n{self.guest.run(ask).out}"

    def plug(self, number: str = NUMBER) -> None:
        """Plug the USB camera in, and wait until the kernel has it."""
        self.mood("ok", number)
        self.guest.ok(f"systemctl start usb-camera@{number}")
        self.guest.wait(f"ls /dev/v4l/by-id/usb-Acme_Test_Camera_{number}-video-index0", SLOW_S)

    def unplug(self, number: str = NUMBER) -> None:
        self.guest.ok(f"systemctl stop usb-camera@{number}")
        self.guest.wait(f"! ls /dev/v4l/by-id/usb-Acme_Test_Camera_{number}-video-index0 2>/dev/null", SLOW_S)

    def mood(self, name: str, number: str = NUMBER) -> None:
        """How the camera is from now on: ok, stall, freeze, cut, black."""
        self.guest.write(f"/run/usb-{number}", name)

    def holds(self) -> tuple[int, int]:
        """Descriptors and threads, of the service and all its processes."""
        pids = "$(cat /sys/fs/cgroup/system.slice/edge-segnet.service/cgroup.procs)"
        counts = self.guest.ok(
            f"for p in {pids}; do ls /proc/$p/fd; done | wc -l; for p in {pids}; do ls /proc/$p/task; done | wc -l"
        )
        descriptors, threads = map(int, counts.split())
        return descriptors, threads
