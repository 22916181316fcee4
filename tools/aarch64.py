"""A Jetson's wheels under an emulated processor (qemu-user): ``make aarch64``.

The labels of a picture are compared with this processor's, bit for bit; the tests that need no GStreamer run; the
service becomes ready. ONNX Runtime's warnings about the processor's features are the emulator's.

python -m tools.aarch64 [FOLDER OF TESTS...]
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tools.system import root, wheels
from tools.system.machine import Layer
from tools.system.root import PROJECT, WORK

PACKAGES: Final = [
    "bash",
    "coreutils",
    "grep",
    "sed",
    "tzdata",
    "python3",
    "python3-distutils",
    "libgomp1",
    "libstdc++6",
    "libpython3-stdlib",
    "mount",
]
TESTS: Final = ("pytest>=8.0", "hypothesis>=6.100", "httpx>=0.27", "psutil>=5.9", "jinja2>=3.1", "websockets>=13.0")
UNITS: Final = ("core", "settings", "scene", "backends")
"""Folders of tests/ that need numbers, files and runtimes, and no other programs."""
SEGMENT: Final = "segment /srv/photo.png -o /srv/{0}.png --visualize labels"
READY_S: Final = 900.0


def missing() -> str:
    """Why it can't be done here; empty where it can."""
    if why := root.missing():
        return why
    if not Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists():
        return "needs qemu-user-static, registered (apt install qemu-user-static binfmt-support)"
    return ""


def main() -> None:
    if why := missing():
        sys.exit(f"make aarch64 {why}")
    folders = sys.argv[1:] or list(UNITS)
    layer = _layer()
    took = _labels(layer)
    print(f"labels of a picture: the same, bit for bit ({took:.0f} s)")  # noqa: T201
    took = _ready(layer)
    print(f"run: ready after {took:.0f} s")  # noqa: T201
    tests = " ".join(f"tests/{name}" for name in folders)
    done = layer.run(f"cd /srv && {PYTHON} -m pytest -q -p no:cacheprovider {tests}")
    print(done.out[-3000:])  # noqa: T201
    sys.exit(done.code)


PYTHON: Final = "/usr/bin/python3"


def _layer() -> Layer:
    """An arm64 root with our wheel, those that it needs and the tests unpacked into it; nothing ran in it yet."""
    base = root.make(PACKAGES, "arm64", "extract")
    python = next((base / "usr/bin").glob("python3.[0-9]*[0-9]")).name.removeprefix("python")
    wheel = wheels.build()
    found = wheels.download(wheel, python, "aarch64", TESTS)
    layer = Layer.above(base, name="aarch64")
    site = layer.upper / "usr/local/lib" / f"python{python}" / "dist-packages"
    site.mkdir(parents=True)
    wheels.unpack([wheel, *sorted(found.glob("*.whl"))], site, python, "aarch64")
    (layer.upper / "usr/bin").mkdir(parents=True, exist_ok=True)
    if not (base / "usr/bin/python3").exists():
        (layer.upper / "usr/bin/python3").symlink_to(f"python{python}")
    for name in ("tests", "tools", "configs", "systemd", "docs"):
        shutil.copytree(PROJECT / name, layer.upper / "srv" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(PROJECT / name, layer.upper / "srv" / name)
    return layer


def _labels(layer: Layer) -> float:
    """Raises SystemExit where a label differs from those of this processor."""
    from edge_segnet.pictures.files import write_image
    from edge_segnet.street import Street

    work = WORK / "tmp" / "aarch64"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    write_image(work / "photo.png", Street(seed=5).render(40)[0])
    shutil.copy(work / "photo.png", layer.upper / "srv" / "photo.png")
    command = [sys.executable, "-m", "edge_segnet", *SEGMENT.replace("/srv", str(work)).format("here").split()]
    subprocess.run([*command, "--backend", "onnx"], check=True, env=os.environ | {"PYTHONPATH": str(PROJECT)})
    began = time.monotonic()
    layer.run(f"{PYTHON} -m edge_segnet {SEGMENT.format('there')} --backend onnx").ok()
    took = time.monotonic() - began
    pictures = [
        (folder / name).read_bytes() for folder, name in ((work, "here.png"), (layer.upper / "srv", "there.png"))
    ]
    if len({hashlib.sha256(picture).hexdigest() for picture in pictures}) != 1:
        sys.exit("the labels of an aarch64 differ from those of this processor")
    return took


def _ready(layer: Layer) -> float:
    """Seconds until the service says that it is ready; raises AssertionError where it does not."""
    layer.run(
        f"{PYTHON} -m edge_segnet run --backend onnx --size 96x72 --set http.port=18080 2>/srv/log & "
        f"for i in $(seq {READY_S:.0f}); do grep -q 'ready after' /srv/log && break; sleep 1; done; "
        "kill -TERM $!; wait $!; grep 'ready after' /srv/log"
    ).ok()
    log = (layer.upper / "srv" / "log").read_text(encoding="utf-8")
    return float(log.partition("ready after ")[2].split()[0])


if __name__ == "__main__":
    main()
