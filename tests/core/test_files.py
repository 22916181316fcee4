"""Files are written whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from edge_segnet.core.errors import OutputError
from edge_segnet.core.files import write_bytes, written_beside


def test_a_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/x.bin"
    with written_beside(path) as beside:
        assert beside.parent == path.parent and beside.suffix == ".bin" and beside.name.startswith(".")
        beside.write_bytes(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert [entry.name for entry in path.parent.iterdir()] == ["x.bin"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    for failure in (RuntimeError, KeyboardInterrupt, SystemExit):
        with pytest.raises(failure), written_beside(path) as beside:
            beside.write_bytes(b"half")
            raise failure
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.bin"]


def test_new_files_have_the_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_bytes(tmp_path / "x", b"1")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_reader_that_has_gone_is_not_this_files_fault(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), written_beside(tmp_path / "x"):
        raise BrokenPipeError(32, "Broken pipe")


def test_what_cannot_be_written_says_why(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"can't be written \(Is a directory\): name a file, not a folder"):
        write_bytes(tmp_path, b"1")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a part of this path is a file, not a folder"):
        write_bytes(tmp_path / "file/x", b"1")
    with pytest.raises(OutputError, match="choose a shorter name"):
        write_bytes(tmp_path / ("n" * 256), b"1")
    with pytest.raises(OutputError, match=r"No space left on device.*free some space"):
        write_bytes(Path("/dev/full"), b"1")


def test_devices_and_pipes_are_written_in_place(tmp_path: Path) -> None:
    write_bytes(Path("/dev/null"), b"1")
    assert Path("/dev/null").is_char_device()
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_bytes(tmp_path / "pipe", b"through")
    reader.join(10)
    assert got == [b"through"] and stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_links_are_followed_even_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_bytes(tmp_path / "link", b"1")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_bytes() == b"1"
