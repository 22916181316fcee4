"""Python against JetPack, cv2, ONNX Runtime: what pip and the board's own packages made of each other."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, Final

from edge_segnet.doctor.context import Context
from edge_segnet.doctor.place import read_text
from edge_segnet.doctor.report import MODEL, Finding, green, red, yellow

JETPACK: Final = {32: ("4", "3.6"), 35: ("5", "3.8"), 36: ("6", "3.10"), 38: ("7", "3.12"), 39: ("7", "3.12")}
"""L4T's major release -> JetPack, and the Python that its tensorrt and gi are built for."""
OLDEST_L4T: Final = (36, 4)
"""JetPack 6.1, the first with TensorRT 10.3."""


def check_python(context: Context) -> Iterator[Finding]:
    """On a Jetson the board's own modules fit one Python only, and an environment must let them in."""
    own = f"Python {platform.python_version()}, {platform.machine()}"
    board = context.place.board
    words = f"{own}{f', {board}' if board else ''}"
    if context.place.l4t is None:
        yield green("python", words)
        return
    major, release = context.place.l4t
    jetpack, wanted = JETPACK.get(major, ("?", ""))
    words = f"{own}; JetPack {jetpack} (L4T {release})"
    minor = int(release.split(".")[1])
    fatal = context.config is not None and context.config.backend == "tensorrt"
    problem = remedy = ""
    if (major, minor) < OLDEST_L4T:
        problem, remedy = "older than JetPack 6.1", "flash JetPack 6.1 or newer; until then: backend: onnx"
    elif wanted and wanted != "{}.{}".format(*sys.version_info):
        problem = f"JetPack's tensorrt and gi are for Python {wanted}"
        remedy = f"make the environment anew: python{wanted} -m venv --system-site-packages"
    elif not _sees_system():
        problem = "this environment does not see JetPack's tensorrt and gi"
        remedy = f"set include-system-site-packages = true in {sys.prefix}/pyvenv.cfg"
    if not problem:
        yield green("python", words)
    elif fatal:
        yield red("python", MODEL, f"{words}: {problem}", remedy)
    else:
        yield yellow("python", f"{words}: {problem}", remedy)


def _sees_system() -> bool:
    settings = read_text(Path(sys.prefix) / "pyvenv.cfg")
    return not settings or re.search(r"(?mi)^include-system-site-packages\s*=\s*true", settings) is not None


def check_opencv(context: Context) -> Iterator[Finding]:
    """Which cv2 is it, can it do GStreamer, and does it hide JetPack's?"""
    try:
        import cv2
    except ImportError as error:
        remedy = "pip install --force-reinstall opencv-python-headless (opencv-python needs libGL: apt install libgl1)"
        yield red("opencv", MODEL, f"cv2 can't be loaded ({error})", remedy)
        return
    has = re.search(r"GStreamer:\s*YES", cv2.getBuildInformation()) is not None
    wheels = sorted(set(packages_distributions().get("cv2", ())))
    place = Path(cv2.__file__).parent
    own = [path for path in context.place.glob("/usr/lib/python3*/dist-packages/cv2*") if path != place]
    alone = sys.prefix != sys.base_prefix
    yield judge_opencv(cv2.__version__, has, wheels, own if context.place.l4t else [], alone=alone)


def judge_opencv(
    number: str, gstreamer: bool, wheels: Sequence[str], hidden: Sequence[Path], *, alone: bool
) -> Finding:
    """``wheels``: what pip installed cv2 from; ``hidden``: JetPack's own cv2 that is not the one in use; ``alone``: so
    it is in an environment of its own, where it is in nobody's way.
    """
    words = f"cv2 {number} from {', '.join(wheels) or 'the system'}, {'with' if gstreamer else 'without'} GStreamer"
    facts: dict[str, Any] = {"gstreamer": gstreamer, "wheels": list(wheels), "hidden": [str(path) for path in hidden]}
    if len(wheels) > 1:
        remedy = f"keep one: pip uninstall {' '.join(wheels)}; pip install opencv-python-headless"
        return yellow("opencv", f"{words}: they overwrite each other's files", remedy, **facts)
    if hidden and not gstreamer and alone:
        return green("opencv", f"{words}; hides JetPack's, in this environment only", **facts)
    if hidden and not gstreamer:
        remedy = "edge-segnet reads cameras without cv2; if others here need it: pip uninstall " + " ".join(wheels)
        return yellow("opencv", f"{words}; it hides JetPack's, which has GStreamer", remedy, **facts)
    return green("opencv", words, **facts)


def check_onnxruntime(_context: Context) -> Iterator[Finding]:
    """Present, loadable, installed once."""
    try:
        import numpy
        import onnx
        import onnxruntime
    except ImportError as error:
        yield red(
            "onnxruntime",
            MODEL,
            f"it can't be loaded ({error})",
            "pip install --force-reinstall numpy onnx onnxruntime",
        )
        return
    wheels = sorted(set(packages_distributions().get("onnxruntime", ())))
    words = f"ONNX Runtime {onnxruntime.__version__}, numpy {numpy.__version__}, onnx {onnx.__version__}"
    if len(wheels) > 1:
        remedy = f"keep one: pip uninstall {' '.join(wheels)}; pip install onnxruntime"
        yield yellow("onnxruntime", f"{words}: installed as {', '.join(wheels)}", remedy)
    else:
        yield green("onnxruntime", words, providers=onnxruntime.get_available_providers())
