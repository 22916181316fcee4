"""Files are laid, kept, and taken back; without root and without systemd."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge_segnet.core.errors import OutputError, UsageError
from edge_segnet.doctor.place import Place
from edge_segnet.doctor.systemd import Unit
from edge_segnet.doctor.unit import why
from edge_segnet.install import machine
from edge_segnet.install.program import Program
from edge_segnet.install.steps import Record, digest, lay, link, replace

ROOT = Path(__file__).parents[2]


def carry_out(path: Path, content: bytes, record: Record) -> list[str]:
    steps = lay(path, content, record)
    with ExitStack() as undo:
        for step in steps:
            step.do(undo)
        undo.pop_all()
    return [step.text.split()[0] for step in steps]


def test_a_file_is_written_replaced_kept(tmp_path: Path) -> None:
    record, path = Record(tmp_path / "record.json"), tmp_path / "etc" / "a.service"
    assert carry_out(path, b"1", record) == ["write"]
    assert carry_out(path, b"1", record) == []
    record.write()
    record = Record.read(record.path)
    assert carry_out(path, b"2", record) == ["replace"] and path.read_bytes() == b"2"
    path.write_bytes(b"mine")
    assert carry_out(path, b"3", record) == ["keep"]
    assert (path.read_bytes(), path.with_name("a.service.new").read_bytes()) == (b"mine", b"3")
    assert carry_out(path, b"3", record) == []  # said once


@pytest.mark.parametrize("text", ["", "[]", "{", '{"files": 3}', '{"files": {"a": []}}'])
def test_a_damaged_record_is_an_empty_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(text, encoding="utf-8")
    assert set(Record.read(path).hashes.values()) <= {"[]"}


def test_the_way_back_leaves_nothing(tmp_path: Path) -> None:
    record, path = Record(tmp_path / "record.json"), tmp_path / "new" / "folder" / "a.conf"
    with pytest.raises(RuntimeError), ExitStack() as undo:
        for step in [*lay(path, b"1", record), *link(tmp_path / "links" / "a", path)]:
            step.do(undo)
        assert path.read_bytes() == b"1" and (tmp_path / "links" / "a").read_bytes() == b"1"
        raise RuntimeError
    assert not path.parent.exists() and not path.parent.parent.exists() and not (tmp_path / "links" / "a").is_symlink()
    path = tmp_path / "a.conf"
    path.write_bytes(b"old")
    path.chmod(0o640)
    record.hashes[str(path)] = digest(b"old")
    with pytest.raises(RuntimeError), ExitStack() as undo:
        for step in lay(path, b"new", record, 0o600):
            step.do(undo)
        raise RuntimeError
    assert path.read_bytes() == b"old" and path.stat().st_mode & 0o777 == 0o640


def test_what_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="can't be written"):
        replace(tmp_path / "file" / "below", b"", 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_this_versions_units_are_not_those_of_0_1(tmp_path: Path) -> None:
    """Who has a file of 0.1.0 has not changed it: it is replaced."""
    record = Record(tmp_path / "record.json")
    users = ROOT / "systemd" / "sysusers.d" / "edge-segnet.conf"
    assert record.ours(users, users.read_bytes())  # the same since 0.1.0
    assert not record.ours(users, users.read_bytes() + b"# mine\n")


@pytest.mark.parametrize(
    ("release", "asked", "found"),
    [
        (None, None, False),
        ("# R36 (release), REVISION: 4.3, GCID", None, True),
        ("# R39 (release), REVISION: 0.0, GCID", None, True),
        ("# R36 (release), REVISION: 3.0, GCID", None, "too old"),
        ("# R45 (release), REVISION: 0.0, GCID", None, "unknown JetPack"),
        ("no release at all", None, "unknown JetPack"),
        ("# R45 (release), REVISION: 0.0, GCID", True, True),
        ("# R36 (release), REVISION: 4.3, GCID", False, False),
    ],
)
def test_which_board(tmp_path: Path, release: str | None, asked: bool | None, found: bool | str) -> None:
    if release is not None:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "nv_tegra_release").write_text(release, encoding="utf-8")
    if isinstance(found, bool):
        assert machine.look(Place(tmp_path), Unit(), asked).jetson is found
    else:
        with pytest.raises(UsageError, match=found):
            machine.look(Place(tmp_path), Unit(), asked)


def test_without_systemd() -> None:
    with pytest.raises(UsageError, match="systemd does not run here"):
        machine.look(Place(), None, None)


def test_what_goes_along() -> None:
    """Everything that the service imports, and neither pytest nor torch."""
    program = Program(Path(getattr(sys, "_base_executable", sys.executable)))
    names = {package.name.lower().replace("_", "-") for package in program.packages}
    assert {"edge-segnet", "numpy", "onnxruntime", "pydantic", "uvicorn"} <= names
    assert not names & {"torch", "pytest", "mypy", "hypothesis", "playwright"}
    files = {name for _, name in program.packages[0].files}
    assert {"edge_segnet/share/systemd/edge-segnet.service", "edge_segnet/models/segnet-lite.onnx"} <= files
    assert program.mark == Program(program.interpreter).mark


def test_a_start_limit_as_systemd_tells_it() -> None:
    told = {
        "ActiveState": "failed",
        "Result": "exit-code",
        "ExecMainStatus": "1",
        "NRestarts": "3",
        "StartLimitBurst": "3",
    }
    assert "failed too often" in why(Unit(told))[0]
    assert "failed too often" not in why(Unit(told | {"NRestarts": "0"}))[0]
