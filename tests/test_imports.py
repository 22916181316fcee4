"""Who loads what: help is quick, the core is light, and only training knows torch."""

from __future__ import annotations

import importlib.util
import pkgutil
import subprocess
import sys
from collections.abc import Sequence

import edge_segnet

HEAVY = ("numpy", "cv2", "onnx", "onnxruntime", "torch", "yaml")
ROOMS = ("errors", "types", "stats", "classes", "files", "documents")
CORE = tuple(f"core.{name}" for name in ROOMS)
HARDWARE = ("cv2", "onnxruntime", "torch", "onnx", "pycuda", "tensorrt")
GPU_ONLY = ("edge_segnet.engine.manifest", "edge_segnet.engine.load", "edge_segnet.backends.tensorrt", "pydantic")


def loaded_after(code: str, watched: Sequence[str]) -> list[str]:
    """Which of ``watched`` a bare interpreter has loaded after ``code``."""
    script = f"import sys\n{code}\nprint(*[name for name in {list(watched)!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split() if done.stdout.strip() else []


def test_the_programs_help_loads_nothing_heavy() -> None:
    """That of each command: ``tests/cli/test_commands.py``."""
    run = (
        "from edge_segnet.cli.main import main\n"
        "sys.argv = ['edge-segnet', '--help']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
    )
    assert loaded_after(run, HEAVY) == []


def test_the_core_knows_numpy_only() -> None:
    code = "".join(f"import edge_segnet.{name}\n" for name in CORE)
    assert loaded_after(code, HARDWARE) == []


def test_everything_but_training_loads_without_torch() -> None:
    names = [found.name for found in pkgutil.walk_packages(edge_segnet.__path__, "edge_segnet.")]
    left_out = (".train", "__main__") if importlib.util.find_spec("gi") else (".train", "__main__", ".sinks.rtsp.")
    names = [name for name in names if not any(part in name for part in left_out)]
    assert len(names) > 30
    block = "sys.modules['torch'] = None\n"  # importing it fails from here on
    code = block + "".join(f"import {name}\n" for name in names)
    assert loaded_after(code, ["pycuda", "tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"]) == []


def test_a_machine_without_a_gpu_loads_nothing_of_the_gpus() -> None:
    code = (
        "from edge_segnet.backends.model import open_backend, read_model\n"
        "from edge_segnet.cuda.probe import NoGpu, find_gpu\n"
        "try: find_gpu()\n"
        "except NoGpu: open_backend(read_model('segnet-lite'))\n"
    )
    assert loaded_after(code, GPU_ONLY) == []


def test_a_service_waits_for_no_library_that_reads_models() -> None:
    """Another process has them (``backends.reading``): here they would cost a tenth of a second before READY."""
    code = (
        "import edge_segnet.cli.run\n"
        "from edge_segnet.backends.model import open_backend, read_apart\n"
        "open_backend(read_apart('segnet-lite', kind='onnx'), 'onnx')\n"
    )
    assert loaded_after(code, ["onnx", "google.protobuf", "edge_segnet.graph.lower", *GPU_ONLY[:3]]) == []


def test_graphs_are_edited_without_pictures_or_a_runtime() -> None:
    code = "import edge_segnet.graph.lower, edge_segnet.graph.card, edge_segnet.graph.build, edge_segnet.graph.foreign"
    assert loaded_after(code, ["cv2", "onnxruntime", "torch"]) == []
