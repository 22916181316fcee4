"""An engine's files: nothing is believed that could have been written by others, and a replacement is whole or none."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from edge_segnet.core.errors import ModelError, OutputError, UsageError
from edge_segnet.cuda.interface import DeviceInfo
from edge_segnet.engine import files
from edge_segnet.engine.files import MODE, read_trusted, recover, replace_all
from edge_segnet.engine.load import check_machine, check_source, describe_engine, verify
from edge_segnet.engine.manifest import Manifest, as_bytes, differences, golden_path, manifest_path, parse, sealed
from edge_segnet.graph import card as cards
from tests.conftest import left_in
from tests.engine.engines import forge
from tests.support.models import save_tiny

ORIN = DeviceInfo("Orin", (8, 7), integrated=True, multiprocessors=8)


@pytest.fixture
def engine(tmp_path: Path, model: Path) -> Path:
    path = tmp_path / "engines" / "tiny.engine"
    forge(path, model)
    return path


def test_what_was_built_is_verified(engine: Path, model: Path) -> None:
    verified = verify(engine)
    assert verified.plan == engine.read_bytes() and verified.cubins == {"sm_87": b"cubin"}
    assert verified.golden.shape == (48, 64)
    check_source(verified, cards.load(str(model)))
    described = describe_engine(engine)
    assert (described.card.name, described.card.size, described.path) == ("tiny", (64, 48), engine)
    assert left_in(engine.parent) == ["tiny.engine", "tiny.golden.png", "tiny.json", "tiny.sm_87.cubin"]
    assert {path.stat().st_mode & 0o777 for path in engine.parent.iterdir()} == {MODE}


def test_verifying_imports_neither_tensorrt_nor_pycuda(engine: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from edge_segnet.engine.load import verify\n"
        f"verify(Path({str(engine)!r}))\n"
        "print([name for name in sys.modules if name.split('.')[0] in "
        "('tensorrt', 'tensorrt_rtx', 'tensorrt_rtx_bindings', 'pycuda', 'onnxruntime')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["tiny.engine", "tiny.sm_87.cubin", "tiny.golden.png"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone", "longer"])
def test_changed_files_are_refused(engine: Path, name: str, damage: str) -> None:
    path = engine.with_name(name)
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes({"flip": data, "cut": data[:-1], "empty": b"", "longer": data + b"x"}[damage]))
    with pytest.raises(ModelError, match=name) as caught:
        verify(engine)
    assert "build" in str(caught.value) and caught.value.exit_code == 3


@pytest.mark.parametrize("name", ["tiny.engine", "tiny.json", "tiny.sm_87.cubin", "tiny.golden.png"])
@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646])
def test_files_that_others_may_write_are_refused(engine: Path, name: str, mode: int) -> None:
    engine.with_name(name).chmod(mode)
    with pytest.raises(ModelError, match=rf"{name}: others than its owner may write it \(mode {mode:o}\).*chmod go-w"):
        verify(engine)


def test_files_of_other_users_are_refused(engine: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(engine, 12345, -1)
    with pytest.raises(ModelError, match="belongs to user 12345"):
        verify(engine)


@pytest.mark.parametrize("name", ["tiny.engine", "tiny.json"])
def test_links_pipes_and_folders_are_refused_without_waiting(engine: Path, name: str) -> None:
    path = engine.with_name(name)
    kept = path.rename(path.with_suffix(".kept"))
    path.symlink_to(kept)
    with pytest.raises(ModelError, match=f"{name}: a symbolic link"):
        verify(engine)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ModelError, match=f"{name}: not a plain file"):
        verify(engine)
    path.unlink()
    path.mkdir()
    with pytest.raises(ModelError, match=name):
        verify(engine)


def test_a_folder_that_anybody_may_write_is_refused(engine: Path) -> None:
    engine.parent.chmod(0o777)
    with pytest.raises(ModelError, match="anybody may write this folder"):
        verify(engine)
    engine.parent.chmod(0o1777)  # /tmp: others can't replace our files there
    verify(engine)


def _without(document: dict[str, Any], *path: str) -> None:
    for part in path[:-1]:
        document = document[part]
    del document[path[-1]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=1), "format"),
        (lambda d: d.update(extra=1), "extra"),
        (lambda d: _without(d, "files", "golden"), "files.golden"),
        (lambda d: d["recipe"].update(precision="int4"), "recipe.precision"),
        (lambda d: d["recipe"].update(precision="int8"), "its INT8 layers contradict"),
        (lambda d: d.update(int8_layers=["conv1"]), "its INT8 layers contradict"),
        (lambda d: d["recipe"]["classes"]["classes"].pop(), "its shapes contradict"),
        (lambda d: d["recipe"].update(size=[32, 32]), "its shapes contradict"),
        (lambda d: d["recipe"].update(precision="fp16"), "its shapes contradict"),
        (lambda d: d["recipe"].update(classes={"classes": 3}), "not a class map"),
        (lambda d: d["files"].update(engine="0" * 64), "SHA-256.*the manifest says 000000000000"),
    ],
)
def test_manifests_that_lie(engine: Path, change: Any, message: str) -> None:
    path = manifest_path(engine)
    document = json.loads(path.read_bytes())
    change(document)
    document["checksum"] = ""
    with contextlib.suppress(ValidationError):  # a liar who knows how checksums are made
        document = json.loads(as_bytes(sealed(Manifest.model_validate(document))))
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ModelError, match=message) as caught:
        verify(engine)
    assert "build it again" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"[" * 100_000])
def test_manifests_that_are_none(engine: Path, text: bytes) -> None:
    manifest_path(engine).write_bytes(text)
    with pytest.raises(ModelError, match=r"tiny\.json: not an engine's manifest"):
        verify(engine)


def test_an_engine_for_another_model(engine: Path, tmp_path: Path) -> None:
    other = save_tiny(tmp_path / "tiny.onnx", licence="another file")
    verified = verify(engine)
    with pytest.raises(ModelError, match=r"stale, it was built from another .*tiny\.onnx.*build-engine"):
        check_source(verified, cards.load(str(other)))


def test_another_tensorrt_or_gpu(engine: Path) -> None:
    class Here:
        flavour, version = "tensorrt", "10.7.0"

    verified, here = verify(engine), Here()
    with pytest.raises(ModelError, match=r"built by tensorrt 10\.3\.0, here is tensorrt 10\.7\.0.*build it again"):
        check_machine(verified, here, ORIN)  # type: ignore[arg-type]  # only these two are read
    here.version = "10.3.0"
    assert check_machine(verified, here, ORIN) == b"cubin"  # type: ignore[arg-type]
    thor = DeviceInfo("Thor", (11, 0), integrated=True, multiprocessors=20)
    with pytest.raises(ModelError, match=r"built for compute capability 8\.7, this Thor has 11\.0"):
        check_machine(verified, here, thor)  # type: ignore[arg-type]


def test_names_that_are_no_engines(tmp_path: Path) -> None:
    for name in ("x", "x.onnx", "x.next.engine"):
        with pytest.raises(UsageError, match="not an engine's name"):
            verify(tmp_path / name)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("done", range(8))
def test_a_replacement_cut_off_anywhere_is_old_or_new(engine: Path, model: Path, done: int, tmp_path: Path) -> None:
    """Every state that a kill can leave: k of the four files staged, or k of the four renamed."""
    old = snapshot(engine.parent)
    new_engine = tmp_path / "new" / "tiny.engine"
    forge(new_engine, model, version="10.9.9")
    new_engine.write_bytes(b"another plan")
    new = {**snapshot(new_engine.parent)}
    order = ["tiny.engine", "tiny.golden.png", "tiny.sm_87.cubin", "tiny.json"]
    for number, name in enumerate(order):
        staged = engine.with_name(name.replace("tiny.", "tiny.next.", 1))
        if done < 4:  # killed while writing
            if number < done:
                staged.write_bytes(new[name])
            elif number == done:
                staged.write_bytes(new[name][:3])  # half of one; of the manifest, whose rename is its writing's end
                staged.rename(staged.with_suffix(staged.suffix + ".part")) if name == "tiny.json" else None
        elif number < done - 4:  # killed while renaming
            engine.with_name(name).write_bytes(new[name])
        else:
            staged.write_bytes(new[name])
    finished = recover(engine)
    assert finished == (done >= 4)
    assert snapshot(engine.parent) == (new if finished else old)
    assert recover(engine) is False


def test_a_loader_finishes_a_replacement_but_undoes_none(engine: Path, model: Path, tmp_path: Path) -> None:
    staged = engine.with_name("tiny.next.engine")
    staged.write_bytes(b"half")  # a builder is at work
    verify(engine)
    assert staged.read_bytes() == b"half"
    staged.unlink()
    other = tmp_path / "new" / "tiny.engine"
    forge(other, model, version="10.9.9")
    for name, data in snapshot(other.parent).items():  # a builder was killed before its first renaming
        engine.with_name(name.replace("tiny.", "tiny.next.", 1)).write_bytes(data)
    assert verify(engine).manifest.recipe.version == "10.9.9"
    assert not [name for name in left_in(engine.parent) if ".next." in name]


def test_a_full_disk_leaves_the_old_engine(engine: Path) -> None:
    import resource

    old = snapshot(engine.parent)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"tiny\.engine: can't be written"):
            replace_all(engine, {engine: b"x" * 5000, golden_path(engine): b"y"}, b"{}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert snapshot(engine.parent) == old


def test_what_differs_is_named(engine: Path) -> None:
    recipe = parse(read_trusted(manifest_path(engine)), engine).recipe
    other = recipe.model_copy(update={"version": "10.7.0", "size": (96, 64), "source_sha256": "f" * 64})
    found = differences(recipe, other)
    assert found[1:] == ["version: 10.3.0, now 10.7.0", "size: 64x48, now 96x64"]
    assert found[0].startswith("source_sha256: ") and found[0].endswith("now ffffffffffff...")


def test_builders_of_one_engine_take_turns(engine: Path) -> None:
    import fcntl

    with files.locked(engine):
        rival = engine.with_name(".tiny.lock").open("w")
        with pytest.raises(BlockingIOError):
            fcntl.flock(rival, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(rival, fcntl.LOCK_EX | fcntl.LOCK_NB)
    rival.close()


def test_random_damage_never_passes(engine: Path) -> None:
    """Two hundred single flips anywhere in the plan and the manifest."""
    rng = np.random.default_rng(1)
    for path in (engine, manifest_path(engine)):
        whole = path.read_bytes()
        for _ in range(100):
            data = bytearray(whole)
            data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
            path.write_bytes(data)
            with pytest.raises(ModelError):
                verify(engine)
        path.write_bytes(whole)


def test_manifests_of_before_there_were_batches_are_taken(engine: Path) -> None:
    path = manifest_path(engine)
    document = json.loads(path.read_bytes())
    assert document["recipe"].pop("batch") == 1
    found = parse(json.dumps(document).encode(), path)
    assert found.recipe.batch == 1
    document["recipe"]["batch"] = 4
    with pytest.raises(ModelError, match="checksum differs"):
        parse(json.dumps(document).encode(), path)
