"""Bad input, line by line: one line says what, where and what to do; the documented exit code; nothing half-done."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from tests.conftest import left_in, picture, write_video
from tests.support.command import edge_segnet


def drop_rights() -> None:
    """Root may read and write everything; without CAP_DAC_OVERRIDE (1) and CAP_DAC_READ_SEARCH (2) it may not, nor what
    it starts. (As nobody, it could not start an interpreter that lies in root's home.)
    """
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (1, 2):
            libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
        sets = (ctypes.c_uint32 * 6)()
        libc.capget(header, sets)
        for place in range(3):  # effective, permitted, inheritable: the lower 32 of each
            sets[place] &= ~0b110
        assert libc.capset(header, sets) == 0


def small_files() -> None:
    """No file may grow over 20 kB: a full disk for those who may not mount one."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


@pytest.fixture
def shared(model: Path) -> Iterator[Path]:
    """A folder that everybody may enter and write, with the model in it."""
    folder = Path(tempfile.mkdtemp(prefix="edge-segnet-test-"))
    folder.chmod(0o777)
    shutil.copy(model, folder / "tiny.onnx")
    yield folder
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("text.png", b"hello, I am no picture", "not a picture that can be decoded: PNG, JPEG, WebP, BMP and TIFF"),
        ("empty.jpg", b"", "the file is empty: copy or download it again"),
        ("notes.txt", b"Some words\n" * 50, "a text file, not a video"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n", "a text file, not a video"),
        ("noise.mp4", bytes(range(256)) * 40, "not a video that can be decoded"),
        ("empty.mp4", b"", "the file is empty: copy or record it again"),
        ("missing.png", None, "no such file or folder"),
        ("missing*.png", None, "no picture matches"),
        ("x" * 300, None, "File name too long"),
    ],
)
def test_inputs_that_are_none(model: Path, tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / name
    if content is not None:
        source.write_bytes(content)
    out = tmp_path / ("out.mp4" if source.suffix == ".mp4" else "out.png")
    done = edge_segnet("segment", source, "-m", model, "-o", out)
    assert done.code == 4
    assert f"{source}: {says}" in done.error
    assert left_in(tmp_path) == ["in"]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_truncated_pictures(model: Path, tmp_path: Path, suffix: str, share: float) -> None:
    source = tmp_path / f"cut{suffix}"
    cv2.imwrite(str(source), picture(160, 120))
    data = source.read_bytes()
    source.write_bytes(data[: int(share * len(data))])
    done = edge_segnet("segment", source, "-m", model, "-o", tmp_path / "out.png")
    assert done.code == 4
    assert str(source) in done.error
    assert left_in(tmp_path) == [source.name]


def test_a_damaged_png_is_noticed_and_libpng_is_quiet(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "bad.png"
    cv2.imwrite(str(source), picture(160, 120))
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 0x55
    source.write_bytes(data)
    done = edge_segnet("segment", source, "-m", model, "-o", tmp_path / "out.png")
    assert done.code == 4
    assert "the PNG is damaged (checksum of 'IDAT')" in done.error


def test_a_jpeg_that_libjpeg_complains_about_makes_no_noise(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "noisy.jpg"
    cv2.imwrite(str(source), picture(160, 120))
    data = source.read_bytes()
    source.write_bytes(data[:-2] + b"\x00" * 60 + data[-2:])
    done = edge_segnet("segment", source, "-m", model, "-o", tmp_path / "out.png")
    assert done.code == 0
    assert all(line.startswith("edge-segnet: ") for line in done.err.splitlines()), done.err


def test_a_truncated_mp4(model: Path, tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", 30)
    source.write_bytes(source.read_bytes()[:-800])
    done = edge_segnet("segment", source, "-m", model, "-o", tmp_path / "out.mp4")
    assert done.code == 4
    assert f"{source}: not a video that can be decoded" in done.error
    assert left_in(tmp_path) == ["in.mp4"]


def test_a_camera_that_is_not_there(model: Path, tmp_path: Path) -> None:
    done = edge_segnet("segment", "63", "-m", model, "-o", tmp_path / "out.mp4")
    assert done.code == 4
    assert "no USB camera 63: list cameras with: ls /dev/video*" in done.error


def test_folders_without_pictures(model: Path, tmp_path: Path) -> None:
    (tmp_path / "outer/inner").mkdir(parents=True)
    done = edge_segnet("segment", tmp_path / "outer", "-m", model, "-o", tmp_path / "out")
    assert done.code == 4
    assert "no pictures in this folder: it has folders" in done.error
    done = edge_segnet("segment", tmp_path / "outer/inner", "-m", model, "-o", tmp_path / "out")
    assert done.code == 4 and "no pictures in this folder" in done.error


def test_what_may_not_be_read(shared: Path) -> None:
    (shared / "locked").mkdir()
    cv2.imwrite(str(shared / "locked/a.png"), picture())
    cv2.imwrite(str(shared / "secret.png"), picture())
    (shared / "secret.png").chmod(0)
    (shared / "locked").chmod(0)
    model = shared / "tiny.onnx"
    for source in (shared / "locked", shared / "locked/a.png", shared / "secret.png"):
        done = edge_segnet("segment", source, "-m", model, "-o", shared / "out", folder=shared, prepare=drop_rights)
        assert done.code == 4, done.err
        assert f"{source}: Permission denied: check the" in done.error
    model.chmod(0)
    done = edge_segnet("segment", shared / "secret.png", "-m", model, "--counts", folder=shared, prepare=drop_rights)
    assert done.code == 3
    assert f"{model}: can't be read (Permission denied)" in done.error


def test_what_may_not_be_written(shared: Path) -> None:
    cv2.imwrite(str(shared / "a.png"), picture())
    write_video(shared / "v.mp4", 3)
    for name in ("a.png", "v.mp4", "tiny.onnx"):
        (shared / name).chmod(0o644)
    (shared / "closed").mkdir(mode=0o555)
    for flags in (("a.png", "-o", "closed/x.png"), ("v.mp4", "-o", "closed/x.mp4"), ("a.png", "--json", "closed/x")):
        done = edge_segnet("segment", *flags, "-m", "tiny.onnx", folder=shared, prepare=drop_rights)
        assert done.code == 4, done.err
        assert f"{flags[2]}: can't be written (Permission denied): check the folder and its rights" in done.error
    assert left_in(shared / "closed") == []


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("a.png", "-o", "x.bmp"), "x.bmp"),
        (("v.mp4", "-o", "x.mp4"), "x.mp4"),
        (("v.mp4", "-o", "x.avi"), "x.avi"),
        (("v.mp4", "--json", "x.jsonl"), "x.jsonl"),
    ],
)
def test_files_that_may_not_grow(model: Path, tmp_path: Path, flags: tuple[str, ...], named: str) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(320, 240))
    write_video(tmp_path / "v.mp4", 40, size=(320, 240))
    done = edge_segnet("segment", *flags, "-m", model, folder=tmp_path, prepare=small_files)
    assert done.code == 4, done.err
    assert named in done.error
    assert left_in(tmp_path) == ["a.png", "v.mp4"]


@pytest.fixture(scope="module")
def full_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 200 kB."""
    place = tmp_path_factory.mktemp("disk")
    command = f"mount -t tmpfs -o size=200k tmpfs '{place}' 2>/dev/null"
    if os.geteuid() != 0 or os.system(command) != 0:
        pytest.skip("mounting a small tmpfs needs root")
    yield place
    os.system(f"umount '{place}'")


@pytest.mark.parametrize(
    ("flags", "out"),
    [(("a.png",), "x.bmp"), (("v.mp4",), "x.mp4"), (("v.mp4",), "x.mkv"), (("v.mp4", "--json"), "x.jsonl")],
)
def test_a_full_disk(model: Path, tmp_path: Path, full_disk: Path, flags: tuple[str, ...], out: str) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(320, 240))
    write_video(tmp_path / "v.mp4", 60, size=(320, 240))
    (full_disk / "ballast").write_bytes(bytes(190_000))
    source, *more = flags
    flag = more[0] if more else "-o"
    done = edge_segnet("segment", source, flag, full_disk / out, "-m", model, folder=tmp_path)
    assert done.code == 4, done.err
    assert str(full_disk / out) in done.error and "free some space" in done.error
    assert left_in(full_disk) == ["ballast"]


@pytest.mark.parametrize("flags", [("--json", "-"), ("--json", "/dev/full"), ("--counts",)])
def test_a_full_standard_output(model: Path, photo: Path, flags: tuple[str, ...]) -> None:
    out = "" if flags[-1] == "/dev/full" else "/dev/full"
    done = edge_segnet("segment", photo, "-m", model, *flags, out=out)
    assert done.code == 4
    assert "No space left on device" in done.error


def test_devices_are_written_and_not_replaced(model: Path, photo: Path) -> None:
    done = edge_segnet("segment", photo, "-m", model, "--json", "/dev/null")
    assert done.code == 0
    assert Path("/dev/null").is_char_device()
    done = edge_segnet("segment", photo, "-m", model, "--json", "/dev/stdout")
    assert done.code == 0 and len(done.documents) == 2
