"""Which TensorRT is found; what is only called so is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_segnet.core.errors import ModelError
from edge_segnet.cuda.probe import NoGpu, find_gpu
from edge_segnet.engine.library import find_library
from edge_segnet.engine.plan import PlanOptions, build_plan, supported_capabilities
from edge_segnet.graph.lower import lower
from tests.engine.engines import rtx
from tests.support.models import tiny_model

TYPINGS = Path(__file__).parents[2] / ".venv" / "typings"


def no_progress(phase: str, done: int, total: int) -> None:
    """Nobody watches."""


def find_in(folder: Path, wanted: str) -> str:
    """What a bare interpreter says that sees ``folder`` first, and no other TensorRT."""
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "for name in ('tensorrt_rtx', 'tensorrt_rtx_bindings'): sys.modules.pop(name, None)\n"
        "from edge_segnet.engine.library import find_library\n"
        f"try: print(find_library({wanted!r}).title)\n"
        "except Exception as error: print(error)"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_a_folder_of_types_is_no_library(tmp_path: Path) -> None:
    (tmp_path / "tensorrt").mkdir()
    (tmp_path / "tensorrt" / "__init__.pyi").write_text("", encoding="ascii")
    assert "tensorrt is not installed: on a Jetson it comes with JetPack" in find_in(tmp_path, "tensorrt")


def test_a_library_that_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10: no such file')", encoding="ascii")
    said = find_in(tmp_path, "tensorrt")
    assert "tensorrt can't be loaded (libnvinfer.so.10: no such file)" in said


def test_auto_takes_what_can_build_here() -> None:
    library = rtx()
    try:
        find_gpu()
    except NoGpu:
        assert find_library("auto") is library
    assert library.title == f"TensorRT-RTX {library.version}"


def test_progress_is_told_and_errors_are_kept() -> None:
    library, phases = rtx(), dict[str, tuple[int, int]]()

    def on_progress(phase: str, done: int, total: int) -> None:
        phases[phase] = done, total

    graph = lower(tiny_model().proto, "tensorrt", precision="fp16").model
    plan = build_plan(library, graph, PlanOptions(((8, 9),)), on_progress)
    assert plan.data and plan.timing_cache == b"" and plan.seconds > 0
    assert len(phases) > 2 and all(0 <= done <= total for done, total in phases.values())
    with pytest.raises(ModelError, match=r"can't build for compute capability 9\.0.*a data-centre GPU need"):
        build_plan(library, graph, PlanOptions(((9, 0),)), on_progress)
    assert (8, 6) in supported_capabilities(library) and (9, 0) not in supported_capabilities(library)


def test_what_tensorrt_cannot_read_is_named() -> None:
    graph = lower(tiny_model().proto, "onnxruntime").model
    with pytest.raises(ModelError, match=r"TensorRT-RTX .* can't read the graph: node 'pool1'? .*MaxPool") as caught:
        build_plan(rtx(), graph, PlanOptions(), no_progress)
    assert "\n" not in str(caught.value)


class _TimingConfig:
    """A builder configuration that knows timing caches; ``fits`` says whether the kept one is of this GPU."""

    def __init__(self, fits: bool) -> None:
        self.fits, self.given = fits, list[bytes]()

    def create_timing_cache(self, data: bytes) -> Any:
        self.given.append(data)
        return object()

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:  # noqa: ARG002 - TensorRT's signature
        assert not ignore_mismatch
        return self.fits or self.given[-1] == b""


@pytest.mark.parametrize("fits", [True, False])
def test_timings_of_another_gpu_are_left(fits: bool) -> None:
    from edge_segnet.engine.plan import _give_timing_cache
    from tests.engine.fake_library import FakeTensorRT

    config: Any = _TimingConfig(fits)
    assert _give_timing_cache(FakeTensorRT().library, config, b"kept") is not None
    assert config.given == ([b"kept"] if fits else [b"kept", b""])
    assert _give_timing_cache(FakeTensorRT("tensorrt-rtx").library, config, b"kept") is None


def test_mypy_knows_tensorrts_calls(tmp_path: Path) -> None:
    """So that a green mypy means that our calls exist in TensorRT 10."""
    if not (TYPINGS / "tensorrt").is_dir():
        pytest.skip("tensorrt-stubs are not installed (make check installs them)")
    pytest.importorskip("mypy")
    source, settings = tmp_path / "wrong.py", tmp_path / "mypy.ini"
    source.write_text(
        "import tensorrt\n"
        "def wrong(context: tensorrt.IExecutionContext, builder: tensorrt.Builder) -> None:\n"
        "    context.execute_async_v3(7)\n"
        "    context.execute_async_v2(7)\n"
        "    builder.create_network('x')\n",
        encoding="ascii",
    )
    settings.write_text(
        f"[mypy]\nmypy_path = {TYPINGS}\ncache_dir = {tmp_path}\n"
        "[mypy-tensorrt.*,tensorrt_bindings.*,tensorrt_libs.*]\n"
        "ignore_errors = true\nfollow_imports = silent\nignore_missing_imports = true\n",
        encoding="ascii",
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(settings), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(lines) == 2 and 'no attribute "execute_async_v2"' in lines[0], done.stdout
