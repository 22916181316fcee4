"""pycuda's and cuda-bindings' real calls, contexts, threads and errors, on a driver built here; what is missing of
them is skipped.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_segnet.cuda.choice import installed
from edge_segnet.cuda.interface import DriverKind
from tests.cuda import standin
from tests.support.command import edge_segnet

DRIVERS: tuple[DriverKind, ...] = ("pycuda", "cuda-bindings")


@pytest.mark.parametrize("integrated", [False, True])
@pytest.mark.parametrize("driver", DRIVERS)
def test_the_loop(tmp_path: Path, driver: DriverKind, integrated: bool) -> None:
    if reason := standin.build(tmp_path, driver, integrated=integrated):
        pytest.skip(reason)
    done = standin.run(tmp_path, "-m", "tests.cuda.standin.loop", driver)
    assert done.stdout == "good\n" and done.stderr == "", done.stdout + done.stderr


@pytest.mark.parametrize("driver", DRIVERS)
def test_buffers_kernels_and_faults(tmp_path: Path, driver: DriverKind) -> None:
    if reason := standin.build(tmp_path, driver):
        pytest.skip(reason)
    arguments = ["-m", "pytest", "-q", "tests/gpu/test_cuda.py", "-p", "no:cacheprovider"]
    done = standin.run(tmp_path, *arguments, driver=driver)
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-2000:]
    assert all(line.endswith("pycuda captures no graphs") for line in skipped), skipped


def cli(folder: Path, *arguments: str | Path) -> str:
    """The program's standard output; it must end well and complain of nothing."""
    done = standin.run(folder, "-m", "edge_segnet", *map(str, arguments), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr and "PyCUDA" not in done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_from_model_to_result_as_a_user_does(
    tmp_path: Path, model: Path, photo: Path, precision: str, driver: DriverKind
) -> None:
    """build-engine, segment, bench and a damaged engine: everything is real but GPU and TensorRT."""
    if installed()[:1] != (driver,):
        pytest.skip(f"{driver} is not what would be taken here")
    if reason := standin.build(tmp_path, driver, integrated=precision == "fp16"):
        pytest.skip(reason)
    built = json.loads(cli(tmp_path, "build-engine", model, "--precision", precision, "--json", "-"))
    recipe = built["manifest"]["recipe"]
    assert (recipe["flavour"], recipe["version"], recipe["compute_capabilities"]) == ("tensorrt", "10.3.0", ["8.7"])
    engine = Path(built["engine"])
    assert engine.parent == tmp_path / "state" / "engines" and (engine.parent / "timing.cache").exists()
    assert not json.loads(cli(tmp_path, "build-engine", model, "--precision", precision, "--json", "-"))["built"]
    cli(tmp_path, "segment", photo, "-m", model, "--visualize", "labels", "-o", tmp_path / "gpu.png")
    edge_segnet("segment", photo, "-m", model, "--visualize", "labels", "-o", tmp_path / "cpu.png", "--backend", "onnx")
    labels = [cv2.imread(str(tmp_path / f"{name}.png"), cv2.IMREAD_UNCHANGED) for name in ("gpu", "cpu")]
    assert np.mean(labels[0] == labels[1]) >= (0.99 if precision == "fp16" else 1.0)
    report = json.loads(cli(tmp_path, "bench", "-m", model, "--seconds", "0.5", "--warmup", "0", "--json", "-"))
    assert list(report["phases"]["back_to_back"]["stages_ms"])[1:5] == ["upload", "network", "decode", "download"]
    assert report["agreement"]["share"] >= 0.99 and report["provenance"]["backend"].startswith("tensorrt")
    details = report["provenance"]["backend_details"]
    assert details["driver"] == driver and details["graphs"] == ("yes" if driver == "cuda-bindings" else "no")
    assert details["gpu"] == "Stand-in" and details["memory"] == ("mapped" if precision == "fp16" else "pinned")
    assert details["self_test_agreement"] >= 0.99 and details["engine"] == str(engine)
    engine.write_bytes(engine.read_bytes()[:-1])
    done = standin.run(
        tmp_path, "-m", "edge_segnet", "segment", str(photo), "-m", str(model), "--counts", "--backend", "tensorrt"
    )
    assert done.returncode == 3 and "SHA-256" in done.stderr


def test_tensorrt_builds_for_its_own_gpu(tmp_path: Path, model: Path) -> None:
    """Without pycuda: an engine is built where only TensorRT and a driver are."""
    if reason := standin.build(tmp_path):
        pytest.skip(reason)
    built = json.loads(cli(tmp_path, "build-engine", model, "--runtime", "tensorrt", "--json", "-"))
    recipe = built["manifest"]["recipe"]
    assert (recipe["flavour"], recipe["version"], recipe["compute_capabilities"]) == ("tensorrt", "10.3.0", ["8.7"])
    engine = Path(built["engine"])
    assert engine.with_suffix(".sm_87.cubin").exists() and (engine.parent / "timing.cache").read_bytes() == b"timings"
    flags = ["--runtime", "tensorrt", "--compute-capability", "8.6"]
    done = standin.run(tmp_path, "-m", "edge_segnet", "build-engine", str(model), *flags, cwd=tmp_path)
    assert done.returncode == 2
    assert "--compute-capability 8.6: TensorRT 10.3.0 builds for this Stand-in only: leave it out, or give 8.7" in (
        done.stderr
    )
