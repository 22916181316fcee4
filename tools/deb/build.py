"""Assembles the package from wheels: no compiler, no root, no emulation, whatever processor and Python it is for."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_segnet.install.program import SCRIPT
from tools.deb import scripts
from tools.deb.slim import slim
from tools.system import wheels
from tools.system.root import PROJECT, WORK

MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
HOME: Final = "opt/edge-segnet"
DEPENDS: Final = (
    "python3 (>= {0}), python3 (<< {1}), libc6 (>= 2.31), libstdc++6, systemd, python3-gi, "
    "gir1.2-gst-plugins-base-1.0, gstreamer1.0-plugins-base, gstreamer1.0-plugins-good"
)
RECOMMENDS: Final = (
    "gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-bad, gstreamer1.0-plugins-ugly, gstreamer1.0-libav"
)
DESCRIPTION: Final = """Live semantic segmentation of cameras, as a confined service
 A camera in, class maps and statistics out: SegNet on any CPU, and on a Jetson's
 GPU by TensorRT. Dashboard, MQTT, recordings (MCAP) and Foxglove are in it; ray,
 openvino and the window are options of pip's.
 .
 After it: sudo edge-segnet service install --source URI
 .
 It has an environment of its own under /opt/edge-segnet, which sees the
 distribution's gi and JetPack's tensorrt. {gpu}"""
MAX_MB, MAX_INSTALLED_MB = 130, 450
"""What a package may take, compressed as a release is, and on the disk."""
GPU: Final = {("arm64", "3.10"): "cuda-bindings>=12.6,<13", ("arm64", "3.12"): "cuda-bindings>=13.0,<14"}
"""The driver's binding for the CUDA of JetPack 6 (12.6) and of JetPack 7 (13.0); its wheels need no compiler."""
WITH_GPU: Final = """The binding of
 the GPU's driver is in it, too (cuda-bindings)."""
WITHOUT_GPU: Final = """TensorRT also needs a
 binding of the GPU's driver, which is not in it: with it alone the CPU serves."""
ENGINE_ENV: Final = """# What edge-segnet-engine.service builds before the service starts.
#MODEL=/etc/edge-segnet/mine.onnx
#ENGINE_FLAGS=--precision fp32
"""


@dataclass(frozen=True)
class Wanted:
    """``compression``: of dpkg-deb, "xz" for a release; "zstd" with level 1 takes seconds."""

    python: str
    arch: str
    compression: str = "xz"
    level: int = 6


def build(wanted: Wanted, out: Path, wheel: Path | None = None) -> Path:
    """Make the .deb and give its path."""
    wheel = wheel or wheels.build()
    version = wheel.name.split("-")[1]
    gpu = GPU.get((wanted.arch, wanted.python))
    found = wheels.download(wheel, wanted.python, MACHINES[wanted.arch], (gpu,) if gpu else ())
    tree = WORK / "tmp" / f"deb-{wanted.arch}-{wanted.python}"
    shutil.rmtree(tree, ignore_errors=True)
    _environment(tree / HOME, wanted, [wheel, *sorted(found.glob("*.whl"))])
    _files(tree, tree / HOME / f"lib/python{wanted.python}/site-packages")
    _control(tree, wanted, version)
    out.mkdir(parents=True, exist_ok=True)
    package = out / f"edge-segnet_{version}+py{wanted.python}_{wanted.arch}.deb"
    _pack(tree, package, wanted)
    shutil.rmtree(tree)
    return package


def _environment(home: Path, wanted: Wanted, files: list[Path]) -> None:
    """What ``python3 -m venv --system-site-packages`` makes, without running that Python."""
    site = home / f"lib/python{wanted.python}/site-packages"
    site.mkdir(parents=True)
    wheels.unpack(files, site, wanted.python, MACHINES[wanted.arch])
    slim(site)
    (home / "bin").mkdir()
    for name in ("python", "python3", f"python{wanted.python}"):
        (home / "bin" / name).symlink_to(f"/usr/bin/python{wanted.python}")
    text = f"home = /usr/bin\ninclude-system-site-packages = true\nversion = {wanted.python}\n"
    (home / "pyvenv.cfg").write_text(text, encoding="utf-8")
    command = home / "bin" / "edge-segnet"
    command.write_text(SCRIPT.format(python=f"/{HOME}/bin/python"), encoding="utf-8")
    command.chmod(0o755)


def _files(tree: Path, site: Path) -> None:
    from tools.sbom import document  # its library is an option

    systemd = PROJECT / "systemd"
    for name, folder in (
        ("edge-segnet.service", "systemd/system"),
        ("edge-segnet-engine.service", "systemd/system"),
        ("edge-segnet-recover.socket", "systemd/system"),
        ("edge-segnet-recover@.service", "systemd/system"),
        ("sysusers.d/edge-segnet.conf", "sysusers.d"),
        ("tmpfiles.d/edge-segnet.conf", "tmpfiles.d"),
    ):
        _copy(systemd / name, tree / "usr/lib" / folder / Path(name).name)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/edge-segnet").symlink_to(f"/{HOME}/bin/edge-segnet")
    _write(tree / "etc/edge-segnet/engine.env", ENGINE_ENV)
    papers = tree / "usr/share/doc/edge-segnet"
    _write(papers / "copyright", _copyright())
    _write(tree / HOME / "sbom.cdx.json", document(site))
    papers.mkdir(parents=True, exist_ok=True)
    (papers / "sbom.cdx.json").symlink_to(f"/{HOME}/sbom.cdx.json")
    for name in ("SECURITY.md", "docs/privacy.md"):
        _copy(PROJECT / name, papers / Path(name).name)
    changes = (PROJECT / "CHANGELOG.md").read_bytes()
    (papers / "changelog.gz").write_bytes(gzip.compress(changes, mtime=0))


def _copyright() -> str:
    texts = [(PROJECT / name).read_text(encoding="utf-8") for name in ("LICENSE-WEIGHTS", "LICENSE")]
    first = "The libraries below /opt/edge-segnet have their licences beside them, in *.dist-info."
    return "\n\n".join([first, *texts])


def _maintainer() -> str:
    """Who builds it, as Debian's tools want to be told (dch(1)); whoever ships it to others says who he is."""
    name, address = (os.environ.get(key) for key in ("DEBFULLNAME", "DEBEMAIL"))
    return f"{name or 'The edge-segnet authors'} <{address or 'edge-segnet@localhost'}>"


def _control(tree: Path, wanted: Wanted, version: str) -> None:
    size = sum(path.lstat().st_size for path in tree.rglob("*")) // 1024
    major, minor = wanted.python.split(".")
    depends = DEPENDS.format(wanted.python, f"{major}.{int(minor) + 1}")
    gpu = WITH_GPU if (wanted.arch, wanted.python) in GPU else WITHOUT_GPU
    fields = {
        "Package": "edge-segnet",
        "Version": f"{version}+py{wanted.python}",
        "Architecture": wanted.arch,
        "Maintainer": _maintainer(),
        "Installed-Size": str(size),
        "Section": "science",
        "Priority": "optional",
        "Depends": depends,
        "Recommends": RECOMMENDS,
        "Description": DESCRIPTION.format(gpu=gpu),
    }
    control = tree / "DEBIAN"
    _write(control / "control", "".join(f"{name}: {value}\n" for name, value in fields.items()))
    _write(control / "conffiles", "/etc/edge-segnet/engine.env\n")
    for name, text in scripts.ALL.items():
        _write(control / name, text)
        (control / name).chmod(0o755)


def too_large(package: Path, *, compressed: bool) -> str:
    """Why a package is larger than a robot's disk and link were promised; empty if it is not. ``compressed``: as a
    release is, so that its own size counts, too.
    """
    command = ["dpkg-deb", "--field", str(package), "Installed-Size"]
    kilobytes = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    installed, file = kilobytes * 1024 / 1e6, package.stat().st_size / 1e6
    if installed > MAX_INSTALLED_MB:
        return f"{installed:.0f} MB installed, more than {MAX_INSTALLED_MB}"
    return f"{file:.0f} MB, more than {MAX_MB}" if compressed and file > MAX_MB else ""


def _pack(tree: Path, package: Path, wanted: Wanted) -> None:
    command = ["dpkg-deb", "--root-owner-group", f"-Z{wanted.compression}", f"-z{wanted.level}"]
    command += ["--build", str(tree), str(package)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    os.chmod(target, 0o644)  # noqa: PTH101


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
