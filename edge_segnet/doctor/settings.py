"""The settings file: valid, readable by the service, closed to others; its secrets and certificates usable."""

from __future__ import annotations

import importlib.util
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from edge_segnet.core import uris
from edge_segnet.core.errors import SettingsError
from edge_segnet.doctor.account import READ
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.report import SETTINGS, Finding, green, grey, red, yellow
from edge_segnet.settings.schema import Config
from edge_segnet.sinks.access import is_loopback, load_token
from edge_segnet.sinks.listening import tls_context
from edge_segnet.sinks.registry import SPECS, configured


def check(context: Context) -> Iterator[Finding]:
    """The file as a whole."""
    path, fault = context.path, context.fault
    if path is None:
        yield grey("settings", "no file: the built-in ones, which segment a rendered street")
        return
    if fault is not None:
        closed = not os.access(path, os.R_OK) and os.geteuid() != 0
        yield red("settings", SETTINGS, fault.message, "ask again with sudo" if closed else fault.hint)
        return
    config = context.config or configured()
    yield green("settings", f"{path}: good (model {config.model}, cameras: {', '.join(config.cameras)})")
    if not context.user.may(path, READ):
        remedy = f"sudo chgrp {context.user.name} {path} && sudo chmod 640 {path}"
        yield red("settings", SETTINGS, f"the user {context.user.name} may not read {path}", remedy)
    if path.stat().st_mode & stat.S_IROTH and _has_credentials(config):
        seen = f"{path} holds passwords, and every user can read it"
        yield yellow("settings", seen, f"sudo chmod o= {path}")


def _has_credentials(config: Config) -> bool:
    texts = [text for camera in config.cameras.values() for text in (camera.source, camera.pipeline) if text]
    return any(uris.without_credentials(text) != text for text in texts)


def check_sections(context: Context) -> Iterator[Finding]:
    """Tokens, certificates and modules that sections need."""
    config = context.config
    if config is None:
        return
    good: list[str] = []
    for spec in SPECS:
        missing = [module for module in spec.modules if importlib.util.find_spec(module) is None]
        if config.section(spec.name, spec.settings) is not None and missing:
            seen = f"not installed: the Python module {' and '.join(missing)}"
            yield red("section", SETTINGS, seen, spec.install, spec.name)
    for name, load in _secrets(config):
        try:
            load()
        except SettingsError as error:
            yield _trouble(config, name, error)
        else:
            good.append(name)
    if good:
        yield green("secrets", f"tokens and certificates are usable: {', '.join(good)}")


def _secrets(config: Config) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each section with what must be readable for it; ``mqtt``'s are the broker check's."""
    for spec in SPECS:
        section: Any = config.section(spec.name, spec.settings)
        if section is None:
            continue
        if spec.token and (section.auth is not None or not is_loopback(section.host)):
            yield spec.name, partial(load_token, section.auth, section.host, spec.name)
        if spec.tls and section.tls is not None:
            yield spec.name, partial(tls_context, section.tls, spec.name)


def _trouble(config: Config, name: str, error: SettingsError) -> Finding:
    if unseen := not_handed_over(error):
        return grey("secrets", unseen, name)
    placed = config.placed(error)
    return red("secrets", SETTINGS, placed.message, placed.hint, name)


def not_handed_over(error: SettingsError) -> str:
    """Why a secret of systemd's can't be judged from here; empty where it is a real fault."""
    if "systemd gave none" not in error.message:
        return ""
    return "systemd hands it over; to check it: sudo CREDENTIALS_DIRECTORY=/etc/edge-segnet edge-segnet doctor"
