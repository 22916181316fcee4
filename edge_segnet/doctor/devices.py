"""The cameras of this machine, configured or not: /dev/video* with names and modes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_segnet.core.errors import InputError
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.place import Place
from edge_segnet.doctor.report import Finding, green, grey, yellow
from edge_segnet.sources import gst, gst_plan

SHOWN = 3
"""Modes in the table; the JSON has all."""


def check(context: Context) -> Iterator[Finding]:
    """Each capture device; those for metadata only are passed over."""
    devices = context.place.glob("/dev/video*")
    if not devices:
        yield grey("cameras here", "no /dev/video*: no USB or CSI camera is plugged in")
    for device in devices:
        yield _describe(context.place, device)


def name_of(place: Place, device: Path) -> str:
    """What the driver calls a camera."""
    return place.text(f"/sys/class/video4linux/{device.name}/name")


def _describe(place: Place, device: Path) -> Finding:
    name = name_of(place, device) or "unknown camera"
    title = f"/dev/{device.name}"
    if name.startswith("vi-output"):
        # A Jetson's raw sensor: its modes are Bayer patterns, which nvarguscamerasrc turns into pictures.
        return green("device", f"{name}: a CSI sensor, read as csi://N", title, name=name, modes=[])
    try:
        modes = _modes(device)
    except InputError as error:
        return yellow("device", f"{name}: its modes can't be read ({error.message})", error.hint, title, name=name)
    if not modes:
        return grey("device", f"{name}: gives no pictures (metadata, or an encoder)", title, name=name, modes=[])
    more = f" and {len(modes) - SHOWN} more" if len(modes) > SHOWN else ""
    return green("device", f"{name}: {', '.join(modes[:SHOWN])}{more}", title, name=name, modes=modes)


def _modes(device: Path) -> list[str]:
    """What it offers, largest first: ``mjpeg 1280x720 at 30``.

    Raises:
        InputError: no GStreamer, or the device can't be opened.
    """
    loaded = gst.load()
    camera: Any = gst.make(gst_plan.Step("v4l2src", {"device": str(device)}))
    try:
        if camera.set_state(loaded.State.READY) == loaded.StateChangeReturn.FAILURE:
            hint = f"does a program have it, or is the right missing? fuser -v {device}; ls -l {device}"
            raise InputError("it can't be opened as a camera", hint=hint)
        return gst_plan.offered(camera.get_static_pad("src").query_caps(None).to_string())
    finally:
        camera.set_state(loaded.State.NULL)
