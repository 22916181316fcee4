"""Machines for the tests: bare, with the program in a user's environment, with the service installed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from tests.system.robot import Robot
from tools.system import layers, root
from tools.system.layers import Built
from tools.system.machine import Layer, boot
from tools.system.root import WORK

SECRETS = ("hunter2-of-the-camera", "0123456789abcdef-of-the-token", "fedcba9876543210-rotated")
"""No journal may hold one."""
Boot = Callable[..., "contextlib.AbstractContextManager[Robot]"]

T = TypeVar("T")


def once(name: str, make: Callable[[], T]) -> T:
    """Made by the first worker of this run that asks for it; the others wait, and get the same."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = WORK / "once"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder / f"{name}-{run}.pickle"
        if not made.exists():
            for former in folder.glob(f"{name}-*.pickle"):
                former.unlink()
            result = make()
            made.write_bytes(pickle.dumps(result))
        found: T = pickle.loads(made.read_bytes())
        return found


@pytest.fixture(scope="session")
def built() -> Built:
    if not os.environ.get("SYSTEM_TESTS"):
        pytest.skip("make system runs these, as root, in machines of their own")
    if why := root.missing():
        pytest.skip(why)
    return once("built", layers.build)


@contextlib.contextmanager
def booted(*below: Path, name: str, binds: Sequence[tuple[Path, str]] = ()) -> Iterator[Robot]:
    """A machine with its camera on; at the end its whole journal is read."""
    layer = Layer.above(*below, name=name, kept=False)
    robot = Robot(boot(layer, binds))
    try:
        robot.ok("systemctl start camera")
        yield robot
        journal = robot.ok("journalctl --no-pager -o cat")
        assert "Traceback" not in journal, journal[-4000:]
        assert not [secret for secret in SECRETS if secret in journal]
    finally:
        robot.machine.stop()
        layer.remove()


@pytest.fixture(scope="session")
def installed(built: Built) -> Path:
    """The layer of a machine where the service was installed from the wheel, and which was then switched off."""
    return once("installed", lambda: _install(built))


def _install(built: Built) -> Path:
    layer = Layer.above(*built.below, name="installed")
    machine = boot(layer)
    try:
        machine.ok("systemctl start camera")
        machine.ok(f"{layers.PROGRAM} service install --source {layers.CAMERA}")
    finally:
        machine.stop()
    return layer.upper


@pytest.fixture
def bare(built: Built, request: pytest.FixtureRequest) -> Iterator[Robot]:
    """Without edge-segnet."""
    with booted(*built.bare, name=request.node.name) as robot:
        yield robot


@pytest.fixture
def user(built: Built, request: pytest.FixtureRequest) -> Iterator[Robot]:
    """With the wheel in an environment of its own."""
    with booted(*built.below, name=request.node.name) as robot:
        yield robot


@pytest.fixture
def robot(built: Built, installed: Path, request: pytest.FixtureRequest) -> Iterator[Robot]:
    """Booted with the service installed, and ready."""
    with booted(installed, *built.below, name=request.node.name) as robot:
        robot.wait_ready()
        yield robot
