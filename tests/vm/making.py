"""The disk of the virtual machine: a service that was installed from the wheel, and a USB camera with its pictures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.pictures.shape import scaled
from edge_segnet.street import Street
from tests.support.models import save_tiny
from tests.vm.usb_camera import JPEG, RAW
from tools.system import layers, vm
from tools.system.machine import Layer, boot

PICTURES: Final = 4
SLOW: Final = "[Service]\nWatchdogSec=120\nTimeoutStartSec=600\nTimeoutStopSec=60\n"
"""For the unit: everything takes twenty times as long there."""


def make_disk() -> Path:
    """Installed under a systemd at full speed, before there is a slow virtual machine."""
    built = layers.build(vm.packages())
    installed = Layer.above(*built.below, name="vm-installed")
    machine = boot(installed)
    try:
        machine.ok("systemctl start camera")
        machine.ok(f"{layers.PROGRAM} service install --source {layers.CAMERA}")
        machine.ok("systemctl stop edge-segnet")
    finally:
        machine.stop()
    usb = Layer.above(installed.upper, *built.below, name="vm-usb")
    _put_camera(usb.upper / "srv" / "usb")
    save_tiny(usb.upper / "srv" / "tiny.onnx")  # what is looked at are the kernel and the disk, not the network
    unit = usb.upper / "etc" / "systemd" / "system" / "usb-camera@.service"
    unit.parent.mkdir(parents=True)
    command = "/bin/sh -c 'exec /usr/bin/python3 /srv/usb/usb_camera.py /srv/usb %i $$(( %i %% 8 ))'"
    unit.write_text(f"[Service]\nExecStart={command}\n", encoding="utf-8")
    slow = unit.parent / "edge-segnet.service.d" / "slow.conf"
    slow.parent.mkdir()
    slow.write_text(SLOW, encoding="utf-8")
    return vm.disk(usb.upper, installed.upper, *built.below, name="vm")


def _put_camera(folder: Path) -> None:
    folder.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("usb_camera.py"), folder)
    scene = Street(seed=5)
    for number in range(PICTURES):
        picture = scene.render(10 * number)[0]
        for width, height in {(mode.width, mode.height) for mode in (*RAW, *JPEG)}:
            _put(folder / f"{width}x{height}-{number}", scaled(picture, (width, height)))
    for width, height in {(mode.width, mode.height) for mode in (*RAW, *JPEG)}:
        _put(folder / f"black-{width}x{height}", np.zeros((height, width, 3), np.uint8))


def _put(stem: Path, picture: NDArray[np.uint8]) -> None:
    stem.with_suffix(".jpg").write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())
    stem.with_suffix(".yuv").write_bytes(yuyv(picture).tobytes())


def yuyv(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [H,W,3] BGR as two bytes a pixel: its luma, and in turn the blue and the red difference of the pair."""
    full = cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb)
    out = np.empty((*picture.shape[:2], 2), np.uint8)
    out[..., 0] = 16 + full[..., 0].astype(np.uint16) * 219 // 255
    out[:, 0::2, 1], out[:, 1::2, 1] = full[:, 0::2, 2], full[:, 0::2, 1]
    return out
