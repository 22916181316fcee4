"""The unit as systemd knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final

from edge_segnet.doctor.place import Place, said

NAME: Final = "edge-segnet.service"


PROPERTIES: Final = (
    "LoadState ActiveState SubState Result ExecMainStatus NRestarts User SupplementaryGroups UnitFileState "
    "NeedDaemonReload MainPID StatusText IPAddressAllow IPAddressDeny StartLimitBurst"
)


@dataclass(frozen=True)
class Unit:
    """``systemctl show``, by property."""

    properties: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.properties.get(name, "")

    @property
    def installed(self) -> bool:
        return self["LoadState"] not in ("", "not-found")

    @property
    def main_pid(self) -> int:
        return int(self["MainPID"] or 0)

    @property
    def gave_up(self) -> bool:
        """Whether systemd starts it no more; of a start limit, it tells only the last failure as the result."""
        burst = int(self["StartLimitBurst"] or 0)
        return self["Result"] == "start-limit-hit" or 0 < burst <= int(self["NRestarts"] or 0)

    def refuses(self, address: str) -> bool:
        """Whether the unit's firewall keeps the service from an address."""
        place = ip_address(address)

        def within(networks: str) -> bool:
            return any(place in ip_network(network, strict=False) for network in networks.split())

        return within(self["IPAddressDeny"]) and not within(self["IPAddressAllow"])


def read(place: Place) -> Unit | None:
    """The unit; None where systemd does not run."""
    if not place.path("/run/systemd/system").is_dir():
        return None
    lines = said(["systemctl", "show", NAME, *(f"--property={name}" for name in PROPERTIES.split())])
    if lines is None:
        return None
    return Unit(dict(line.split("=", 1) for line in lines.splitlines() if "=" in line))
