"""What only an NVIDIA GPU with pycuda can show. Elsewhere everything here is skipped, with the reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge_segnet.core.errors import ModelError
from edge_segnet.cuda.compile import architecture, find_compiler, kernel_source
from edge_segnet.cuda.driver import PycudaDriver
from edge_segnet.cuda.probe import find_gpu


def open_gpu() -> PycudaDriver:
    """The GPU, or a skip."""
    try:
        return PycudaDriver()
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture
def driver() -> Iterator[PycudaDriver]:
    """An open GPU."""
    found = open_gpu()
    yield found
    found.close()


def compiled(driver: PycudaDriver) -> bytes:
    """The decode kernel for this GPU; for the driver of ``tests/cuda/standin`` something that looks like one."""
    if driver.info.name == "Stand-in":
        return b"\x7fELF for no GPU"
    return find_compiler(find_gpu().cuda).compile(kernel_source(), architecture(driver.info.compute_capability))


@pytest.fixture
def cubin(driver: PycudaDriver) -> bytes:
    """``compiled`` for the open GPU."""
    return compiled(driver)
