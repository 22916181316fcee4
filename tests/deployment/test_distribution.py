"""A wheel and a source distribution have all that an installation needs, and the checkout is the only copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from edge_segnet.install import share
from tests.support.command import edge_segnet

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "edge_segnet"
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", "out", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(wheel, sdist), by setuptools itself, offline, from a copy: setuptools leaves things where it builds."""
    setuptools = pytest.importorskip("setuptools", reason="needs setuptools")
    if int(setuptools.__version__.split(".")[0]) < 77:
        pytest.skip(f"needs setuptools 77 or newer, this is {setuptools.__version__}")
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=NOT_SOURCE)
    code = (
        "import sys; from setuptools import build_meta; folder = sys.argv[1]; "
        "build_meta.build_sdist(folder); build_meta.build_wheel(folder)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(folder)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "SetuptoolsDeprecationWarning" not in done.stderr
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return wheel, sdist


def test_the_wheel_is_complete(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as file:
        names = set(file.namelist())
        metadata = file.read(next(name for name in names if name.endswith("dist-info/METADATA"))).decode()
    ours = {f"edge_segnet/{path.relative_to(PROGRAM)}" for path in PROGRAM.rglob("*") if path.is_file()}
    missing = {name for name in ours if "__pycache__" not in name} - names
    assert not missing
    for folder in share.FOLDERS:
        top = share.folder(folder)
        files = {f"edge_segnet/share/{folder}/{path.relative_to(top)}" for path in share.files(folder)}
        assert files and files <= names
    for paper in ("LICENSE", "LICENSE-WEIGHTS", "SECURITY.md", "privacy.md"):
        assert f"edge_segnet/share/papers/{paper}" in names
    assert "License-Expression: Apache-2.0" in metadata and "License-File: LICENSE-WEIGHTS" in metadata
    assert not [name for name in names if name.startswith(("tests", "tools", "benchmarks"))]


def test_the_sdist_builds_and_tests_the_same(built: tuple[Path, Path]) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    with tarfile.open(built[1]) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("needs git and a checkout, to know what belongs to it")
    wanted = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    assert wanted - names == set()


def test_an_installed_wheel_brings_its_examples(built: tuple[Path, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(built[0]) as file:
        file.extractall(tmp_path)
    command = [sys.executable, "-m", "edge_segnet", "config", "example", "rtsp"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / "configs" / "rtsp.yaml").read_text(encoding="utf-8")


def test_examples_by_name(tmp_path: Path) -> None:
    done = edge_segnet("config", "example", folder=tmp_path)
    assert done.code == 0 and "usb" in done.out and "csi" in done.out
    target = tmp_path / "mine.yaml"
    assert edge_segnet("config", "example", "usb", "-o", target).code == 0
    assert target.read_text(encoding="utf-8") == (ROOT / "configs" / "usb.yaml").read_text(encoding="utf-8")
    again = edge_segnet("config", "example", "usb", "-o", target)
    assert again.code == 2 and "is there already" in again.error
    unknown = edge_segnet("config", "example", "none")
    assert unknown.code == 2 and "one of: csi, mqtt" in unknown.error


@pytest.mark.parametrize("command", ["install --source 0", "uninstall", "status"])
def test_a_machine_without_systemd_is_told(command: str) -> None:
    if Path("/run/systemd/system").is_dir():
        pytest.skip("systemd runs here")
    done = edge_segnet("service", *command.split())
    assert done.code == 2 and "systemd" in done.err + done.out
