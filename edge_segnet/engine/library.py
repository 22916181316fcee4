"""TensorRT under its names: ``tensorrt`` (JetPack, data centre) and ``tensorrt_rtx`` (desktop cards), one interface."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar, cast

from edge_segnet.core.errors import ModelError
from edge_segnet.cuda.probe import Gpu, NoGpu, find_gpu

if TYPE_CHECKING:
    import tensorrt

logger = logging.getLogger(__name__)
Flavour = Literal["tensorrt", "tensorrt-rtx"]
T = TypeVar("T")
Wanted = Literal["auto", "tensorrt", "tensorrt-rtx"]
MODULES: Final[dict[Flavour, tuple[str, ...]]] = {
    "tensorrt": ("tensorrt",),
    "tensorrt-rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
}
INSTALL: Final[dict[Flavour, str]] = {
    "tensorrt": "on a Jetson it comes with JetPack: make the environment with --system-site-packages",
    "tensorrt-rtx": "pip install 'edge-segnet[tensorrt-rtx]'",
}


class Api(Protocol):
    """What both flavours share; mypy checks our calls against TensorRT 10's published types."""

    __version__: str
    Builder: type[tensorrt.Builder]
    OnnxParser: type[tensorrt.OnnxParser]
    Runtime: type[tensorrt.Runtime]
    ILogger: type[tensorrt.ILogger]
    IProgressMonitor: type[tensorrt.IProgressMonitor]
    MemoryPoolType: type[tensorrt.MemoryPoolType]
    NetworkDefinitionCreationFlag: type[tensorrt.NetworkDefinitionCreationFlag]
    TensorIOMode: type[tensorrt.TensorIOMode]
    ExecutionContextAllocationStrategy: type[tensorrt.ExecutionContextAllocationStrategy]


@dataclass(frozen=True, eq=False)
class Library:
    """One installed TensorRT and its log."""

    flavour: Flavour
    version: str
    api: Api
    log: Log

    @property
    def extras(self) -> Any:
        """The same module for what only one flavour has: tensorrt-rtx's compute capabilities and caches."""
        return self.api

    @property
    def title(self) -> str:
        return f"{'TensorRT' if self.flavour == 'tensorrt' else 'TensorRT-RTX'} {self.version}"


class Log:
    """TensorRT's messages: errors are kept for the exception that follows, all go to the debug log.

    One per library and process: TensorRT keeps the first that it is given, whatever comes later.
    """

    def __init__(self, api: Api) -> None:
        self.errors: list[str] = []
        worst = int(cast(Any, api.ILogger.ERROR))

        def log(_: Any, severity: Any, message: str) -> None:
            if int(severity) <= worst:
                self.errors.append(" ".join(message.split()))
            logger.debug("TensorRT: %s", message)

        members = {"__init__": lambda me: api.ILogger.__init__(me), "log": log}
        self.sink: tensorrt.ILogger = type("Logger", (api.ILogger,), members)()

    def take(self) -> list[str]:
        """The errors since the last time."""
        taken, self.errors[:] = list(self.errors), []
        return taken

    def reason(self) -> str:
        """The first error since the last time, in one line."""
        errors = self.take()
        return errors[0] if errors else "it does not say why"


def or_none(made: T) -> T | None:
    """What TensorRT made: its types promise an object where the library gives None for a failure."""
    return made


def find_library(wanted: Wanted = "auto") -> Library:
    """Import TensorRT. ``auto`` takes ``tensorrt`` where it and a GPU are there, else ``tensorrt-rtx``.

    Raises:
        ModelError: it is not installed, or can't be loaded.
    """
    if wanted != "auto":
        return _load(wanted)
    if _module("tensorrt") is not None and (gpu_here() or _module("tensorrt-rtx") is None):
        return _load("tensorrt")
    if _module("tensorrt-rtx") is not None:
        return _load("tensorrt-rtx")
    raise ModelError("no TensorRT is installed", hint=f"{INSTALL['tensorrt']}; elsewhere: {INSTALL['tensorrt-rtx']}")


def gpu_here() -> Gpu | None:
    """The GPU of this machine, if there is one."""
    try:
        return find_gpu()
    except NoGpu:
        return None


def _module(flavour: Flavour) -> str | None:
    """The name to import; a folder without code (stubs, a namespace) is no library."""
    for name in MODULES[flavour]:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            return name
    return None


_LOADED: dict[Flavour, Library] = {}


def _load(flavour: Flavour) -> Library:
    if flavour in _LOADED:
        return _LOADED[flavour]
    name = _module(flavour)
    if name is None:
        raise ModelError(f"{flavour} is not installed", hint=INSTALL[flavour])
    try:
        api = cast(Api, importlib.import_module(name))
        library = Library(flavour, api.__version__, api, Log(api))
    except (ImportError, OSError, AttributeError) as error:
        raise ModelError(f"{name} can't be loaded ({error})", hint=INSTALL[flavour]) from error
    return _LOADED.setdefault(flavour, library)
