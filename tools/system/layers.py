"""Layers that tests begin from: a camera's pictures, and the program as a user has it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.system import root, wheels
from tools.system.machine import Layer
from tools.system.root import PROJECT, WORK

PROGRAM: Final = "/srv/robot/bin/edge-segnet"
"""Where a user of the wheel has it."""
CAMERA: Final = "http://127.0.0.1:9000/camera.mjpg"
PICTURES: Final = 12


@dataclass(frozen=True)
class Built:
    """What all tests share: folders to put below a machine, nearest first."""

    below: list[Path]
    wheel: Path
    python: str
    """Of the machines, "3.11"."""

    @property
    def bare(self) -> list[Path]:
        """Without edge-segnet."""
        return self.below[1:]


def build(packages: list[str] | None = None) -> Built:
    """A root with ``packages`` (as ``root.make``), a camera in it, the wheel in an environment, all offline."""
    base = root.make(packages)
    wheel = wheels.build()
    python = next((base / "usr/bin").glob("python3.[0-9]*[0-9]")).name.removeprefix("python")
    found = wheels.download(wheel, python, "x86_64")
    camera = Layer.above(base, name="camera")
    _put_camera(camera.upper)
    program = Layer.above(camera.upper, base, name="program")
    binds = [(found, "/opt/wheels"), (wheel.parent, "/opt/dist")]
    program.run(
        "python3 -m venv --system-site-packages /srv/robot && /srv/robot/bin/pip install --quiet --no-index "
        f"--find-links /opt/wheels '/opt/dist/{wheel.name}[{wheels.EXTRAS}]'",
        binds,
    ).ok()
    return Built([program.upper, camera.upper, base], wheel, python)


def _put_camera(top: Path) -> None:
    from edge_segnet.pictures.files import write_image
    from edge_segnet.street import Street

    folder = WORK / "pictures"
    if len(list(folder.glob("*.jpg"))) < PICTURES:
        scene = Street(seed=3)
        for number in range(PICTURES):
            write_image(folder / f"{number:02d}.jpg", scene.render(10 * number)[0])
    shutil.copytree(folder, top / "srv" / "pictures")
    shutil.copy(PROJECT / "tests" / "system" / "camera.py", top / "srv" / "camera.py")
    unit = top / "etc" / "systemd" / "system" / "camera.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/usr/bin/python3 /srv/camera.py /srv/pictures 9000 10\n", encoding="utf-8")
    (top / "etc" / "hostname").write_text("robot\n", encoding="ascii")
