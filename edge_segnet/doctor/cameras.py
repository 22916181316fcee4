"""Each camera of the settings: is it plugged in, does it answer, is the file there?"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

from edge_segnet.core import uris
from edge_segnet.core.errors import EdgeSegnetError
from edge_segnet.core.uris import SourceUri
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.devices import name_of
from edge_segnet.doctor.processes import holder
from edge_segnet.doctor.report import OUTSIDE, Finding, green, grey, red, yellow
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import describe, reach

ARGUS: Final = "/tmp/argus_socket"
"""Where nvargus-daemon listens."""


def check(context: Context) -> Iterator[Finding]:
    """All at once: one that does not answer takes seconds."""
    if context.config is None:
        yield grey("camera", "not checked: the settings can't be used")
        return
    with ThreadPoolExecutor(len(context.config.cameras)) as pool:
        yield from pool.map(lambda item: _camera(context, *item), context.config.cameras.items())


def _camera(context: Context, name: str, camera: CameraConfig) -> Finding:
    if camera.pipeline is not None:
        return grey("camera", "a raw pipeline: only run can try it", name)
    source = uris.parse(camera.source or "")
    match source.kind:
        case "csi":
            return _csi(context, name, source)
        case "v4l2":
            return _usb(context, name, source)
        case "rtsp" | "http":
            return _network(context, name, source)
        case "synthetic":
            return _synthetic(context, name, source)
    try:
        found = describe(source.path)
    except EdgeSegnetError as error:
        return red("camera", OUTSIDE, error.message, error.hint or "a relative path starts where run is started", name)
    kind = f"{len(found.files)} pictures" if found.kind == "images" else f"a file ({found.kind})"
    return green("camera", f"{source.path}: {kind}", name)


def _synthetic(context: Context, name: str, source: SourceUri) -> Finding:
    if context.path is None:
        return green("camera", f"{source.shown}: a rendered street", name)
    remedy = "name a camera; the unit refuses this one (--refuse-synthetic)"
    return yellow("camera", f"{source.shown}: a rendered street, not a camera", remedy, name)


def _usb(context: Context, name: str, source: SourceUri) -> Finding:
    device = context.place.path(source.device)
    if device.exists():
        process = holder(context.place, str(device.resolve()).__eq__)
        if process is not None and not process.own:
            seen = f"{source.device} is in use by {process}"
            return red("camera", OUTSIDE, seen, "end it: a USB camera serves one program", name)
        return green("camera", f"{source.device}: {name_of(context.place, device.resolve()) or 'plugged in'}", name)
    here = [f"/dev/{path.name}" for path in context.place.glob("/dev/video*")]
    others = f"here are {', '.join(here)}" if here else "no camera is plugged in"
    remedy = "plug it in; dmesg | tail; name it by /dev/v4l/by-id/..., which stays the same"
    return red("camera", OUTSIDE, f"{source.device} is not there; {others}", remedy, name)


def _csi(context: Context, name: str, source: SourceUri) -> Finding:
    place = context.place
    if place.l4t is None:
        remedy = "on a Jetson without /etc/nv_tegra_release (a container?) mount it; elsewhere use v4l2://"
        return red("camera", OUTSIDE, f"{source.shown}: CSI cameras are a Jetson's, this is none", remedy, name)
    devices = place.glob("/dev/video*")
    sensors = [found for path in devices if (found := name_of(place, path)).startswith("vi-output")]
    if len(sensors) <= source.sensor:
        remedy = "cable, and its overlay: sudo /opt/nvidia/jetson-io/jetson-io.py; dmesg | grep -i imx"
        return red("camera", OUTSIDE, f"{source.shown}: {len(sensors)} CSI sensors are found", remedy, name)
    if not place.path(ARGUS).exists():
        remedy = "sudo systemctl restart nvargus-daemon; in a container mount /tmp/argus_socket"
        return red("camera", OUTSIDE, f"{source.shown}: nvargus-daemon does not run", remedy, name)
    sensor = re.sub(r"^vi-output,\s*", "", sensors[source.sensor])
    return green("camera", f"{source.shown}: {sensor}, nvargus-daemon runs", name)


def _network(context: Context, name: str, source: SourceUri) -> Finding:
    parts = urlsplit(source.url)
    host, port = parts.hostname or "", parts.port or reach.PORTS[parts.scheme]
    if reason := reach.why_unreachable(source):
        return red("camera", OUTSIDE, f"{source.shown}: {reason}", advice(host, port, reason), name)
    if blocked := refused_by_unit(context, host, port):
        return red("camera", OUTSIDE, f"{source.shown}: {blocked[0]}", blocked[1], name)
    return green("camera", f"{source.shown}: {host}:{port} answers (its stream was not opened)", name)


def advice(host: str, port: int, reason: str) -> str:
    """What to do about somebody who can't be reached, by the system's own words for it."""
    words = reason.lower()
    if "certificate" in words:
        return "install its authority: /usr/local/share/ca-certificates, then sudo update-ca-certificates"
    if "refused" in words:
        return f"the machine is there, but no program listens at port {port}: is it running, is the port right?"
    if "name" in words:
        return "the name server does not know it: write its address instead"
    return f"is it on, and in this network? ping {host}; ip route get {host}"


def refused_by_unit(context: Context, host: str, port: int) -> tuple[str, str] | None:
    """(what, remedy) where this program reaches an address, and the unit's sandbox keeps the service from it."""
    if context.unit is None or not context.unit.installed:
        return None
    found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    refused = sorted(address for address in found if context.unit.refuses(address))
    if not refused or len(refused) < len(found):
        return None
    remedy = f"sudo systemctl edit edge-segnet: [Service] IPAddressAllow={refused[0]}"
    return f"it answers, but the unit's sandbox refuses {refused[0]} to the service", remedy
