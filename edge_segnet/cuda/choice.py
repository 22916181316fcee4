"""Who speaks to CUDA: pycuda, or NVIDIA's cuda-bindings."""

from __future__ import annotations

from importlib.util import find_spec

from edge_segnet.cuda.interface import Driver, DriverKind


def installed() -> tuple[DriverKind, ...]:
    """What is here, the preferred one first; imports neither."""
    found: list[DriverKind] = []
    if find_spec("cuda") is not None and find_spec("cuda.bindings") is not None:
        found.append("cuda-bindings")
    if find_spec("pycuda") is not None:
        found.append("pycuda")
    return tuple(found)


def open_driver(kind: DriverKind = "auto") -> Driver:
    """The first GPU. ``auto`` takes cuda-bindings where it is installed: it needs no compiler, and captures graphs.

    Raises:
        ModelError: no GPU, or the driver's Python module is missing or can't be loaded.
    """
    chosen = next(iter(installed()), "pycuda") if kind == "auto" else kind
    if chosen == "cuda-bindings":
        from edge_segnet.cuda.bindings import BindingsDriver

        return BindingsDriver()
    from edge_segnet.cuda.driver import PycudaDriver

    return PycudaDriver()
