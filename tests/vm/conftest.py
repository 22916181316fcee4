"""A virtual machine for the tests of a file, from a disk that is made once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vm.service import Service
from tools.system import vm


@pytest.fixture(scope="session")
def disk() -> Path:
    if not os.environ.get("VM_TESTS"):
        pytest.skip("make vm runs these, as root, in a virtual machine")
    if why := vm.missing():
        pytest.skip(why)
    if made := os.environ.get("VM_DISK"):  # of an earlier run, to save its making
        return Path(made)
    from tests.vm.making import make_disk

    return make_disk()


@pytest.fixture(scope="module")
def service(disk: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    guest = vm.boot(disk, request.module.__name__.rpartition(".")[2])
    try:
        guest.ok("systemctl stop edge-segnet; modprobe -a vhci-hcd uvcvideo", 600)
        yield Service(guest)
        journal = guest.ok("journalctl -u edge-segnet --no-pager -o cat")
        assert "Traceback" not in journal, journal[-4000:]
    finally:
        guest.cut()
