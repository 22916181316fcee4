"""``build-engine`` with the real TensorRT-RTX, which builds without a GPU."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Frame
from edge_segnet.engine.golden import golden_frame
from edge_segnet.engine.load import verify
from edge_segnet.engine.manifest import Manifest
from edge_segnet.engine.plan import PlanOptions, build_plan, supported_capabilities
from edge_segnet.graph import card as cards
from edge_segnet.graph.lower import lower
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.settings import deployed
from tests.conftest import left_in
from tests.engine.engines import forge, rtx
from tests.support.command import Done, edge_segnet
from tests.support.int8 import int8_of, random_family
from tests.support.models import tiny_model
from tests.support.nets import random_model


@pytest.fixture(autouse=True)
def _needs_tensorrt_rtx() -> None:
    rtx()


def build(model: Path, folder: Path, *flags: str, state: Path | None = None) -> Done:
    where = ("-o", f"engines/{model.stem}.engine")
    prepare = None if state is None else partial(_keep_state_in, str(state))
    flags = ("--runtime", "tensorrt-rtx", *where, *flags)
    return edge_segnet("build-engine", model, *flags, folder=folder, prepare=prepare)


def _keep_state_in(folder: str) -> None:
    os.environ["STATE_DIRECTORY"] = folder


def manifest(engine: Path) -> Manifest:
    return verify(engine).manifest


@pytest.mark.parametrize("name", ["segnet", "segnet-basic", "segnet-lite"])
def test_the_family_in_float16_for_several_gpus(name: str, tmp_path: Path) -> None:
    model = tmp_path / f"{name}.onnx"
    cards.save(cards.attach(random_model(name, (480, 360), 11), name=name, classes=CAMVID_11), model)
    done = build(model, tmp_path, "--compute-capability", "8.6,8.9", "--compute-capability", "12.0", "--json", "-")
    assert done.code == 0, done.err
    document = done.documents[0]
    assert document["built"] and document["engine"] == f"engines/{name}.engine" and document["stale"] == []
    engine = tmp_path / "engines" / f"{name}.engine"
    found = verify(engine)
    recipe = found.manifest.recipe
    assert recipe.compute_capabilities == ("8.6", "8.9", "12.0") and recipe.precision == "fp16"
    assert set(found.cubins) == {"sm_86", "sm_89", "sm_120"}
    assert found.manifest.shapes["logits"] == "float16[1,11,360,480]"
    weights = sum(int(np.prod(tensor.dims)) for tensor in onnx.load(str(model)).graph.initializer)
    assert 2 * weights < len(found.plan) < 3 * weights + 4_000_000
    assert document["manifest"] == json.loads(engine.with_suffix(".json").read_bytes())


def test_an_engine_for_four_cameras(model: Path, tmp_path: Path) -> None:
    flags = ("--compute-capability", "8.9", "--batch", "4")
    done = build(model, tmp_path, *flags)
    assert done.code == 0 and "up to 4 frames at once" in done.err
    found = manifest(tmp_path / "engines" / "tiny.engine")
    assert found.recipe.batch == 4
    assert found.shapes == {"frame": "uint8[-1,48,64,3]", "logits": "float16[-1,11,48,64]"}
    assert "is up to date" in build(model, tmp_path, *flags).err
    assert "stale, batch: 4, now 1" in build(model, tmp_path, *flags[:2]).err
    for value in ("0", "17", "many"):
        refused = build(model, tmp_path, "--batch", value)
        assert refused.code == 2 and "--batch" in refused.err


def test_the_deployed_models_engine_is_built_again_too_as_the_service_had_built_it(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    alone = build(model, tmp_path, "--deployed", "--json", "-", state=tmp_path)
    assert alone.code == 0 and "deployed" not in alone.documents[0] and "no model is deployed" in alone.err
    sha256 = "ab" * 32
    deployed.folder().mkdir()
    copyfile(model, deployed.file_of(sha256))
    deployed.Journal(deployed.Served(sha256, "tiny", "segnet-lite")).write()
    engine = deployed.engine_of(deployed.file_of(sha256))
    first = build(deployed.file_of(sha256), tmp_path, "-o", str(engine), "--size", "96x64", "--precision", "fp32")
    assert first.code == 0, first.err
    engine.write_bytes(b"of another JetPack")
    done = build(model, tmp_path, "--deployed", "--json", "-", state=tmp_path)
    assert done.code == 0, done.err
    assert done.documents[0]["deployed"]["engine"] == str(engine) and done.documents[0]["deployed"]["built"]
    assert (manifest(engine).recipe.size, manifest(engine).recipe.precision) == ((96, 64), "fp32")


def test_nothing_is_rebuilt_that_still_fits(model: Path, tmp_path: Path) -> None:
    flags = ("--compute-capability", "8.9")
    assert build(model, tmp_path, *flags).code == 0
    engine = tmp_path / "engines" / "tiny.engine"
    before = {path.name: path.stat().st_mtime_ns for path in engine.parent.iterdir()}
    done = build(model, tmp_path, *flags, "--json", "-")
    assert "is up to date" in done.err and not done.documents[0]["built"]
    now = {path.name: path.stat().st_mtime_ns for path in engine.parent.iterdir()}
    assert {name: now[name] for name in now if not name.endswith(".lock")} == {
        name: before[name] for name in before if not name.endswith(".lock")
    }
    assert build(model, tmp_path, *flags, "--force", "--json", "-").documents[0]["built"]


def test_a_stale_engine_says_which_field_differs(model: Path, tmp_path: Path) -> None:
    flags = ["--compute-capability", "8.9"]
    engine = tmp_path / "engines" / "tiny.engine"
    build(model, tmp_path, *flags)
    for more, reason in (
        (("--precision", "fp32"), "stale, precision: fp16, now fp32"),
        (("--size", "96x64"), "stale, size: 64x48, now 96x64"),
        (("--optimization-level", "1"), "stale, optimization_level: None, now 1"),
        (("--workspace-mb", "64"), "stale, workspace_mb: None, now 64"),
        (("--compute-capability", "8.6"), "stale, compute_capabilities: 8.9, now 8.6 8.9"),
    ):
        flags += more
        done = build(model, tmp_path, *flags)
        assert done.code == 0 and reason in done.err and done.err.count("stale") == 1, done.err
    assert [name for name in left_in(engine.parent) if name.endswith(".cubin")] == [
        "tiny.sm_86.cubin",
        "tiny.sm_89.cubin",
    ]
    build(model, tmp_path, "--compute-capability", "8.9")
    assert [name for name in left_in(engine.parent) if name.endswith(".cubin")] == ["tiny.sm_89.cubin"]


def test_an_upgrade_is_noticed(model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "engines" / "tiny.engine"
    forge(engine, model, flavour="tensorrt-rtx", version="1.0.0")
    done = build(model, tmp_path)
    assert done.code == 0 and f"stale, version: 1.0.0, now {rtx().version}" in done.err
    assert manifest(engine).recipe.version == rtx().version


@pytest.mark.parametrize("name", ["tiny.engine", "tiny.golden.png", "tiny.sm_89.cubin", "tiny.json"])
def test_damage_is_repaired(model: Path, tmp_path: Path, name: str) -> None:
    flags = ("--compute-capability", "8.9")
    engine = tmp_path / "engines" / "tiny.engine"
    build(model, tmp_path, *flags)
    engine.with_name(name).write_bytes(b"damaged")
    done = build(model, tmp_path, *flags)
    assert done.code == 0 and f"tiny.engine: stale, {name if name != 'tiny.json' else ''}" in done.err
    verify(engine)


def test_the_default_is_every_gpu_from_ampere_on(model: Path, tmp_path: Path) -> None:
    build(model, tmp_path)
    wanted = [number for number in supported_capabilities(rtx()) if number >= (8, 0)]
    found = manifest(tmp_path / "engines" / "tiny.engine").recipe.compute_capabilities
    assert found == tuple(f"{major}.{minor}" for major, minor in wanted)


def test_the_services_state_is_the_place(model: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    done = subprocess.run(
        [sys.executable, "-m", "edge_segnet", "build-engine", str(model), "--compute-capability", "8.9"],
        env={**os.environ, "STATE_DIRECTORY": str(state)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verify(state / "engines" / "tiny.engine")


def _odd(operator: str) -> OnnxModel:
    """A canonical model with one more operator before its logits."""
    made = tiny_model()
    graph = made.proto.graph
    last = graph.node[-1]
    last.output[0] = "before"
    graph.node.append(helper.make_node(operator, ["before"], ["logits"], name="the_odd_one"))
    return OnnxModel(cards.read(made.proto, "odd"), made.proto)


def _save(onnx_model: OnnxModel, path: Path) -> Path:
    cards.save(onnx_model, path)
    return path


def _dynamic(path: Path) -> Path:
    made = tiny_model()
    made.proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    return _save(made, path)


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--compute-capability", "8.7"], 2, r"8\.7: .*can't build for it: it knows 7\.5 8\.0"),
        (["--compute-capability", "x"], 2, "not a compute capability"),
        (["--precision", "int4"], 2, "--precision int4: unknown: one of: fp32, fp16, int8"),
        (["--runtime", "onnx"], 2, "--runtime onnx: unknown"),
        (["--optimization-level", "6"], 2, "optimization-level"),
        (["--workspace-mb", "0"], 2, "workspace-mb"),
        (["--size", "8x8"], 2, "too small"),
        (["-o", "x.plan"], 2, r"x\.plan: not an engine's name"),
        (["-o", "/proc/x/tiny.engine"], 4, "can't be written"),
    ],
)
def test_flags_that_make_no_sense(flags: list[str], code: int, message: str, model: Path, tmp_path: Path) -> None:
    done = edge_segnet("build-engine", model, *flags, folder=tmp_path)
    assert done.code == code
    assert re.search(message, done.error), done.error
    assert not (tmp_path / "engines").exists()


def test_models_that_cannot_be_built(tmp_path: Path) -> None:
    cases: list[tuple[Any, str]] = [
        (tmp_path / "none.onnx", "no such"),
        (_dynamic(tmp_path / "dynamic.onnx"), "the model has a dynamic batch: export it with batch 1"),
        (_save(_odd("Bernoulli"), tmp_path / "odd.onnx"), "node 'the_odd_one' (Bernoulli): unsupported node: replace"),
        (tmp_path / "text.onnx", "not an ONNX model"),
    ]
    (tmp_path / "text.onnx").write_text("no model", encoding="ascii")
    for path, message in cases:
        done = build(path, tmp_path)
        assert done.code == 3 and message in done.error, done.err
    assert left_in(tmp_path / "engines") == [".odd.lock"]


def test_a_report_that_has_the_manifests_name_is_not_replaced(model: Path, tmp_path: Path) -> None:
    (tmp_path / "engines").mkdir()
    report = tmp_path / "engines" / f"{model.stem}.json"
    for text in ('{"output": "x.onnx", "layers": {}}', "[1]", "no JSON"):
        report.write_text(text)
        done = build(model, tmp_path, "--force")
        assert done.code == 2 and "not an engine's manifest" in done.error and f"-o {model.stem}-2.engine" in done.error
        assert report.read_text() == text and left_in(tmp_path / "engines") == [report.name]


def test_an_engine_is_no_model(model: Path, tmp_path: Path) -> None:
    build(model, tmp_path, "--compute-capability", "8.9")
    done = build(tmp_path / "engines" / "tiny.engine", tmp_path)
    assert done.code == 2 and "an engine already" in done.error


def test_tensorrt_itself_is_not_here(model: Path, tmp_path: Path) -> None:
    done = edge_segnet("build-engine", model, "--runtime", "tensorrt", folder=tmp_path)
    if done.code == 0:
        pytest.skip("TensorRT and a GPU are here")
    assert done.code == 3 and ("JetPack" in done.error or "GPU" in done.error)


def test_a_kill_leaves_the_old_engine_or_the_new_one(model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "engines" / "tiny.engine"
    build(model, tmp_path, "--compute-capability", "8.9")
    command = [sys.executable, "-m", "edge_segnet", "build-engine", str(model), "--runtime", "tensorrt-rtx", "--force"]
    command += ["-o", str(engine)]
    started = time.perf_counter()
    subprocess.run([*command, "--compute-capability", "8.9"], cwd=tmp_path, check=True, capture_output=True)
    whole_s = time.perf_counter() - started
    for share in (0.3, 0.6, 0.8, 0.95):
        process = subprocess.Popen(
            [*command, "--compute-capability", "8.9"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(share * whole_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        verify(engine)
    assert not [name for name in left_in(engine.parent) if ".next." in name]


def test_ctrl_c_stops_the_builder(tmp_path: Path) -> None:
    model = tmp_path / "big.onnx"
    cards.save(cards.attach(random_model("segnet", (480, 360), 11), name="big", classes=CAMVID_11), model)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "edge_segnet",
            "build-engine",
            str(model),
            "--runtime",
            "tensorrt-rtx",
            "-o",
            "engines/big.engine",
        ],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    lock = tmp_path / "engines" / ".big.lock"
    deadline = time.monotonic() + 60
    while not lock.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in said, said
    assert left_in(tmp_path / "engines") == [".big.lock"]


def test_an_int8_model_becomes_an_int8_engine(model: Path, tmp_path: Path) -> None:
    int8 = int8_of(tiny_model())
    source = tmp_path / "tiny-int8.onnx"
    cards.save(int8, source)
    flags = ("--compute-capability", "8.9")
    done = build(source, tmp_path, *flags, "--json", "-")
    assert done.code == 0, done.err
    assert "int8" in done.err and "3 layers in INT8" in done.err
    engine = tmp_path / "engines" / "tiny-int8.engine"
    found = verify(engine)
    assert found.manifest.recipe.precision == "int8" and found.manifest.shapes["logits"].startswith("float16")
    assert len(found.manifest.int8_layers) == 3 and any("conv2" in name for name in found.manifest.int8_layers)
    card = int8.card
    backend = OnnxBackend(cards.load(str(source)))
    golden = golden_frame(card.size, card.fit)
    assert np.array_equal(found.golden, backend.infer([Frame(golden, None, 0, 0, 0.0, "test")])[0].labels)
    for path, precision in ((source, "fp16"), (model, "int8")):
        refused = build(path, tmp_path, *flags, "--precision", precision)
        assert refused.code == 3 and f"no engine of {precision}" in refused.err


def test_the_family_in_int8_is_int8_to_tensorrt() -> None:
    for name in ("segnet", "segnet-lite"):
        lowered = lower(int8_of(random_family(name, (96, 74))).proto, "tensorrt", precision="int8").model
        plan = build_plan(rtx(), lowered, PlanOptions(((8, 9),)), lambda *_: None)
        assert len(plan.int8_layers) == sum(node.op_type == "Conv" for node in lowered.graph.node)
