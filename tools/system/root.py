"""The root of a small machine: mmdebstrap, once per list of packages; later machines are layers above it."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[2]
WORK: Final = Path(os.environ.get("SYSTEM_DIR", PROJECT / "out" / "system"))
"""Everything stays below it: roots, layers, wheels, temporary files."""
GSTREAMER: Final = ("gir1.2-gst-plugins-base-1.0", "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good")
PACKAGES: Final = (
    *("systemd", "systemd-sysv", "dbus", "udev", "iproute2", "procps", "curl", "sudo", "openssl", "util-linux"),
    *("python3", "python3-venv", "python3-gi", *GSTREAMER),
)
"""What a robot's image has before edge-segnet comes: the .deb's dependencies, too, so that it needs no network."""
NOT_NEEDED: Final = ("doc", "man", "locale", "info", "lintian", "bug")
SOURCES: Final = (
    "/etc/apt/sources.list.d/debian.sources",
    "/etc/apt/sources.list.d/ubuntu.sources",
    "/etc/apt/sources.list",
)
NEEDED: Final = ("mmdebstrap", "systemd-nspawn", "nsenter", "unshare")


def missing() -> str:
    """Why no such machine can be made here; empty where it can."""
    if os.geteuid() != 0:
        return "needs root"
    programs = [name for name in NEEDED if shutil.which(name) is None]
    if programs:
        return f"needs {', '.join(programs)} (apt install mmdebstrap systemd-container)"
    if "overlay" not in Path("/proc/filesystems").read_text(encoding="ascii"):
        return "needs a kernel with overlayfs"
    if not _sources():
        return "needs the package sources of a Debian or an Ubuntu"
    return ""


def _sources() -> list[Path]:
    return [path for path in map(Path, SOURCES) if path.is_file() and path.read_text(encoding="utf-8").strip()][:1]


def codename() -> str:
    """``bookworm``: the distribution of this machine, and so of the others."""
    found = re.search(r'(?m)^VERSION_CODENAME="?(\w+)', Path("/etc/os-release").read_text(encoding="utf-8"))
    if found is None:
        raise RuntimeError("/etc/os-release names no VERSION_CODENAME")
    return found[1]


def make(packages: list[str] | None = None, arch: str = "", variant: str = "apt") -> Path:
    """The folder of a root with these packages; made when it is not there.

    Args:
        packages: names; None: ``PACKAGES``.
        arch: another processor's, for example ``arm64``; empty: this machine's.
        variant: of mmdebstrap; ``extract`` runs no scripts of the packages.
    """
    wanted = sorted(PACKAGES if packages is None else packages)
    key = hashlib.sha256(" ".join([codename(), arch, variant, *wanted]).encode()).hexdigest()[:12]
    folder = WORK / f"root-{arch or platform.machine()}-{key}"
    if (folder / ".made").exists():
        return folder
    scratch = WORK / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    command = ["mmdebstrap", "--mode=root", f"--variant={variant}", f"--include={','.join(wanted)}"]
    command += ['--aptopt=APT::Install-Recommends "false"', "--dpkgopt=force-unsafe-io"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in NOT_NEEDED]
    command += [f"--architectures={arch}"] if arch else []
    command += [codename(), str(folder), *map(str, _sources())]
    environment = os.environ | {"TMPDIR": str(scratch), "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"mmdebstrap: {done.stderr[-2000:]}")
    (folder / ".made").touch()
    return folder
