"""What a package may weigh is looked at whenever one is built; who built it is said."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tools.deb import build

CONTROL = "Package: heavy\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nInstalled-Size: {}\n"
CONTROL += "Description: heavy\n"


def package(folder: Path, installed_mb: float, weight: int = 0) -> Path:
    """Says that it takes so much, and brings ``weight`` bytes that don't compress."""
    (folder / "tree" / "DEBIAN").mkdir(parents=True)
    (folder / "tree" / "DEBIAN" / "control").write_text(CONTROL.format(int(installed_mb * 1e6 / 1024)))
    (folder / "tree" / "ballast").write_bytes(bytes(weight))
    command = ["dpkg-deb", "-Znone", "--build", str(folder / "tree"), str(folder / "heavy.deb")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "heavy.deb"


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_a_package_that_is_too_large_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert build.too_large(package(tmp_path / "well", 449), compressed=True) == ""
    assert build.too_large(package(tmp_path / "disk", 452), compressed=True) == "452 MB installed, more than 450"
    monkeypatch.setattr(build, "MAX_MB", 1)
    heavy = package(tmp_path / "link", 3, weight=2_000_000)
    assert build.too_large(heavy, compressed=True) == "2 MB, more than 1"
    assert build.too_large(heavy, compressed=False) == "", "not packed as a release is"


def test_the_maintainer_is_who_builds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBFULLNAME", "Acme Robots")
    monkeypatch.setenv("DEBEMAIL", "robots@acme.example")
    build._control(tmp_path, build.Wanted("3.10", "arm64"), "1.0")
    assert "\nMaintainer: Acme Robots <robots@acme.example>\n" in (tmp_path / "DEBIAN" / "control").read_text()
