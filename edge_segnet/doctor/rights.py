"""May the service's user use the cameras, the GPU and its own folders?"""

from __future__ import annotations

import grp
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from edge_segnet.core import uris
from edge_segnet.core.files import state_folder
from edge_segnet.doctor.account import ENTER, READ, WRITE, exists, gid_of, group_of
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.report import MODEL, OUTSIDE, SETTINGS, Finding, green, grey, red, yellow

GPU_NODES: Final = ("/dev/nvmap", "/dev/nvhost-gpu", "/dev/nvhost-ctrl-gpu", "/dev/nvgpu/igpu0/*", "/dev/nvidia*")
"""Character devices of a Jetson's GPU (JetPack 6 and 7) and of a PC's; folders among them are passed over."""


def check(context: Context) -> Iterator[Finding]:
    """The user, and every device by its own group."""
    wanted = context.unit["User"] if context.unit is not None else ""
    if wanted and not exists(wanted):
        yield red("user", SETTINGS, f"the unit's user {wanted} does not exist", "sudo systemd-sysusers")
        return
    named = _cameras(context)
    yield from _devices(context, "/dev/video*", OUTSIDE, lambda path: path in named)
    on_gpu = context.config is not None and context.config.backend == "tensorrt"
    for pattern in (*GPU_NODES, "/dev/dri/renderD*"):
        yield from _devices(context, pattern, MODEL, lambda _path: on_gpu)
    groups = sorted(_names(context.user.gids))
    whose = "the unit runs as" if context.unit is not None and context.unit.installed else "you are"
    yield green("user", f"{whose} {context.user.name}, groups: {', '.join(groups)}", groups=groups)


def _names(gids: frozenset[int]) -> list[str]:
    return [entry.gr_name for entry in grp.getgrall() if entry.gr_gid in gids] or [str(gid) for gid in gids]


def _cameras(context: Context) -> set[Path]:
    """The devices of the settings."""
    cameras = {} if context.config is None else context.config.cameras
    sources = [uris.parse(camera.source) for camera in cameras.values() if camera.source]
    return {context.place.path(source.device).resolve() for source in sources if source.kind == "v4l2"}


def _devices(context: Context, pattern: str, code: int, needed: Callable[[Path], bool]) -> Iterator[Finding]:
    """Those that may not be opened, by group; red where the settings need one."""
    closed: dict[str, list[Path]] = {}
    for path in context.place.glob(pattern):
        if not path.is_dir() and not context.user.may(path, READ | WRITE):
            closed.setdefault(group_of(path), []).append(path)
    for group, paths in closed.items():
        seen = f"{context.user.name} may not open {', '.join(map(str, paths))}"
        if any(map(needed, paths)):
            yield red("rights", code, seen, _remedy(context, group), group)
        else:
            yield yellow("rights", seen, _remedy(context, group), group)


def _remedy(context: Context, group: str) -> str:
    if group in ("root", "0"):
        return "its group is root: a udev rule must give it to video or render"
    if context.user.asking and gid_of(group) in _lasting(context.user.name):
        return f"you were put into the group {group} after you logged in: log in again"
    if context.unit is not None and context.unit.installed:
        return f"sudo systemctl edit edge-segnet: [Service] SupplementaryGroups={group}"
    return f"sudo usermod -aG {group} {context.user.name}, then log in again"


def _lasting(user: str) -> list[int]:
    try:
        return os.getgrouplist(user, -1)
    except (KeyError, OSError):
        return []


def check_state(context: Context) -> Iterator[Finding]:
    """Where events, recordings and engines are kept."""
    folder = context.place.path(str(state_folder()))
    user, service = context.user.name, context.unit is not None and context.unit.installed
    own = "set STATE_DIRECTORY to a folder of yours"
    if not folder.is_dir():
        if service:
            yield grey("state", f"{folder} is not there yet; systemd makes it at the first start")
            return
        remedy = f"sudo install -d -o {user} {folder}, or {own}"
        yield yellow("state", f"no {folder}: events do not outlive the program", remedy)
    elif context.user.may(folder, READ | WRITE | ENTER):
        yield green("state", f"{folder}, {user} may write it")
    elif service:
        seen = f"{user} may not write {folder}, which belongs to {folder.owner()}"
        yield red("state", OUTSIDE, seen, f"sudo chown -R {user} {folder}")
    else:
        yield yellow("state", f"{user} may not write {folder}: events do not outlive the program", own)
