"""Where to look, for people: after an installation, and whenever they ask."""

from __future__ import annotations

import socket
from importlib.metadata import version
from importlib.util import find_spec

from edge_segnet.core.errors import SettingsError
from edge_segnet.doctor import systemd, unit
from edge_segnet.doctor.context import gather
from edge_segnet.doctor.place import Place
from edge_segnet.doctor.ports import ask_ready
from edge_segnet.install.machine import OPENVINO
from edge_segnet.install.program import HOME
from edge_segnet.install.settings import CONFIG, TOKEN
from edge_segnet.settings.schema import Config
from edge_segnet.sinks.http.settings import HttpConfig
from edge_segnet.sinks.registry import load

NOT_READY = 4
"""Of the exit codes, the one for cameras and inputs: a service that runs and is not ready waits for one."""


def where_to_look() -> list[str]:
    """The dashboard, the log, the settings, and what else may be had."""
    offer = "OpenVINO is installed, and the unit keeps it from serving: sudo edge-segnet service install --openvino"
    return [
        *([offer] if find_spec("openvino") is not None and not OPENVINO.exists() else []),
        f"ready: {_dashboard(_config())}",
        "log: journalctl -u edge-segnet -f; what is wrong: sudo edge-segnet doctor",
        f"settings: {CONFIG}; after a change: sudo systemctl reload edge-segnet",
    ]


def _config() -> Config | None:
    try:
        return load(CONFIG)
    except SettingsError:
        return None


def _dashboard(config: Config | None) -> str:
    if config is None or (http := config.section("http", HttpConfig)) is None:
        return "no dashboard is in the settings"
    host = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(http.host, http.host)
    shown = f"{'http' if http.tls is None else 'https'}://{f'[{host}]' if ':' in host else host}:{http.port}"
    return f"{shown} (its token: sudo cat {TOKEN})" if http.auth not in (None, "none") else shown


def status(place: Place) -> tuple[list[str], int]:
    """Lines for people, and the exit code: 0 where the service is ready."""
    service = systemd.read(place)
    context = gather(place, CONFIG)
    lines = [f"edge-segnet {version('edge-segnet')}, the service's program: {HOME}"]
    findings = list(unit.check(context))
    lines += [f"{one.title}: {one.seen}" + (f"\n-> {one.remedy}" if one.remedy else "") for one in findings]
    code = min((finding.exit_code for finding in findings if finding.status == "red"), default=0)
    if service is None or not service.installed:
        return [*lines, "-> sudo edge-segnet service install --source URI"], 2
    if context.fault is not None:
        return [*lines, f"settings: {context.fault}"], code or 2
    lines.append(f"settings: {CONFIG}")
    http = context.config.section("http", HttpConfig) if context.config is not None else None
    ready = None if http is None or service["ActiveState"] != "active" else ask_ready(http)
    words = {None: "it does not answer", 200: "ready"}.get(ready, "not ready: the reason stands in /api/status")
    lines.append(f"dashboard: {_dashboard(context.config)} ({words})")
    running = service["ActiveState"] == "active" and (http is None or ready == 200)
    return lines, code or (0 if running else NOT_READY)
