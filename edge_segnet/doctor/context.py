"""What every check is given: the settings, the machine, the unit, the user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import ModelError, SettingsError
from edge_segnet.doctor import account, systemd
from edge_segnet.doctor.account import Account
from edge_segnet.doctor.place import Place
from edge_segnet.doctor.report import Finding
from edge_segnet.doctor.systemd import Unit
from edge_segnet.settings import deployed
from edge_segnet.settings.schema import Config
from edge_segnet.sinks import registry

INSTALLED: Final = "/etc/edge-segnet/config.yaml"


@dataclass(frozen=True)
class Context:
    """``config`` is None where the settings can't be used; ``fault`` says why. ``path`` is None for the built-in ones.
    ``user`` is who runs the service: the unit's user, or who asks.
    """

    place: Place = field(default_factory=Place)
    config: Config | None = field(default_factory=registry.configured)
    path: Path | None = None
    fault: SettingsError | None = None
    unit: Unit | None = None
    user: Account = field(default_factory=account.asking)

    @cached_property
    def served(self) -> Config | None:
        """The settings with the deployed model in the place of their own, if there is one: what the service runs."""
        if self.config is None:
            return None
        try:
            return deployed.read().applied(self.config)
        except (ModelError, OSError):  # told by the check of what is deployed
            return self.config


Check = Callable[[Context], Iterator[Finding]]


def find_settings(place: Place, path: Path | None) -> Path | None:
    """The file that was named, or the installed one; None: there is neither."""
    if path is not None:
        return path
    installed = place.path(INSTALLED)
    try:
        return installed if installed.exists() else None
    except OSError:  # a folder that is closed to this user
        return installed


def read_settings(place: Place, path: Path | None) -> Context:
    """With the settings of a file, without unit."""
    try:
        return Context(place, registry.load(path), path)
    except SettingsError as error:
        return Context(place, None, path, error)


def gather(place: Place, path: Path | None) -> Context:
    """All of it; takes as long as ``systemctl show`` does."""
    context = read_settings(place, path)
    service = systemd.read(place)
    user = context.user
    if service is not None and service.installed:
        groups = service["SupplementaryGroups"].split()
        user = account.of_service(service["User"] or "root", groups) or user
    return Context(place, context.config, path, context.fault, service, user)
