"""What only an NVIDIA GPU can show, with each driver that is installed. Elsewhere everything here is skipped, with the
reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from edge_segnet.core.errors import ModelError
from edge_segnet.cuda.choice import open_driver
from edge_segnet.cuda.compile import architecture, find_compiler, kernel_source
from edge_segnet.cuda.interface import Driver, DriverKind
from edge_segnet.cuda.probe import find_gpu
from tests.cuda.standin import DRIVER

BOTH: tuple[DriverKind, ...] = ("pycuda", "cuda-bindings")
KINDS = [kind for kind in BOTH if os.environ.get(DRIVER, "auto") in ("auto", kind)]


def open_gpu(kind: DriverKind) -> Driver:
    """The GPU, or a skip."""
    try:
        return open_driver(kind)
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(params=KINDS)
def which(request: pytest.FixtureRequest) -> DriverKind:
    """Each of both drivers."""
    found: DriverKind = request.param
    return found


@pytest.fixture
def driver(which: DriverKind) -> Iterator[Driver]:
    """An open GPU."""
    found = open_gpu(which)
    yield found
    found.close()


def compiled(driver: Driver) -> bytes:
    """The decode kernel for this GPU; for the driver of ``tests/cuda/standin`` something that looks like one."""
    if driver.info.name == "Stand-in":
        return b"\x7fELF for no GPU"
    return find_compiler(find_gpu().cuda).compile(kernel_source(), architecture(driver.info.compute_capability))


@pytest.fixture
def cubin(driver: Driver) -> bytes:
    """``compiled`` for the open GPU."""
    return compiled(driver)
