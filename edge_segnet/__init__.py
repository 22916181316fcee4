"""Real-time SegNet segmentation.

    import cv2, edge_segnet

    segment = edge_segnet.load("segnet-lite")
    found = segment(cv2.imread("photo.jpg"))
    print(dict(zip(found.classes.names, found.counts)))

What stands in ``__all__`` is for other programs, and stays; see docs/python.md. Each name is imported when it is first
asked for: importing the package loads neither cv2 nor a runtime.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edge_segnet.core import quiet

if TYPE_CHECKING:
    from edge_segnet.backends.segmenter import Segmenter as Segmenter
    from edge_segnet.backends.segmenter import load as load
    from edge_segnet.core.classes import ClassMap as ClassMap
    from edge_segnet.core.types import Frame as Frame
    from edge_segnet.core.types import Result as Result
    from edge_segnet.core.types import Segmentation as Segmentation
    from edge_segnet.sources.frames import open_source as open_source

    __version__: str

quiet.keep()
_ROOMS = {
    "ClassMap": "core.classes",
    "Frame": "core.types",
    "Result": "core.types",
    "Segmentation": "core.types",
    "Segmenter": "backends.segmenter",
    "load": "backends.segmenter",
    "open_source": "sources.frames",
}
__all__ = ["ClassMap", "Frame", "Result", "Segmentation", "Segmenter", "__version__", "load", "open_source"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        found: Any = version("edge-segnet")
    elif name in _ROOMS:
        found = getattr(import_module(f"edge_segnet.{_ROOMS[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
