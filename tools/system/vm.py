"""A virtual machine with a kernel of its own: qemu in software, a disk made of layers, commands through a serial port.

layers --mke2fs--> base disk --(a thin copy for each machine)--> Guest --cut--> its disk as that left it --> Guest
"""

from __future__ import annotations

import base64
import contextlib
import json
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.system import root
from tools.system.machine import PRIVATE, Done, Layer
from tools.system.root import PROJECT, WORK

KERNELS: Final = {"debian": "linux-image-amd64", "ubuntu": "linux-image-generic"}
MORE: Final = ("kmod", "initramfs-tools", "v4l-utils")
NEEDED: Final = ("qemu-system-x86_64", "qemu-img", "mke2fs")
AGENT: Final = PROJECT / "tools" / "system" / "agent.py"
DISK_MB: Final = 4096
MEMORY_MB: Final = 2048
BOOT_S: Final = 400.0
"""Software emulation on a busy machine: a quiet one needs 45 to 90."""


def missing() -> str:
    """Why no virtual machine can be made here; empty where it can."""
    if why := root.missing():
        return why
    programs = [name for name in NEEDED if shutil.which(name) is None]
    return f"needs {', '.join(programs)} (apt install qemu-system-x86 qemu-utils e2fsprogs)" if programs else ""


def packages() -> list[str]:
    """What the machine is made of; the kernel is this distribution's."""
    release = Path("/etc/os-release").read_text(encoding="utf-8")
    kernel = next((name for key, name in KERNELS.items() if f"ID={key}" in release.splitlines()), KERNELS["debian"])
    return [*root.PACKAGES, *MORE, kernel]


def disk(*below: Path, name: str) -> Path:
    """A disk with what these layers hold, nearest first, and the agent that ``Guest`` speaks to."""
    layer = Layer.above(*below, name=f"{name}-disk")
    _put_agent(layer.upper)
    image = WORK / f"{name}.img"
    image.unlink(missing_ok=True)
    shutil.rmtree(WORK / "guests", ignore_errors=True)  # thin copies of the earlier one are none of this
    make = ["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", f"{layer.folder}/root", str(image), f"{DISK_MB}M"]
    script = f"{PRIVATE}\n{layer.mount}\nexec {shlex.join(make)}"
    subprocess.run(["unshare", "--mount", "--propagation", "private", "bash", "-c", script], check=True)
    layer.remove()
    return image


def _put_agent(top: Path) -> None:
    units = top / "etc" / "systemd" / "system"
    (units / "multi-user.target.wants").mkdir(parents=True)
    (top / "srv").mkdir()
    shutil.copy(AGENT, top / "srv" / "agent.py")
    unit = "[Service]\nExecStart=/usr/bin/python3 /srv/agent.py\nOOMScoreAdjust=-900\nStandardError=journal+console\n"
    (units / "agent.service").write_text(unit, encoding="utf-8")
    (units / "multi-user.target.wants" / "agent.service").symlink_to("../agent.service")


@dataclass
class Guest:
    """A running one; another ``boot`` of its disk finds what it left."""

    folder: Path
    process: subprocess.Popen[bytes]
    line: socket.socket
    _rest: bytes = b""

    def run(self, command: str, timeout: float = 300) -> Done:
        """Run a line of shell inside, as root; one at a time."""
        self._say({"command": command, "timeout": timeout})
        told = self._hear(timeout + 60)
        return Done(told["code"], told["out"], told["err"])

    def ok(self, command: str, timeout: float = 300) -> str:
        """Standard output of a command that must work."""
        return self.run(command, timeout).ok()

    def wait(self, command: str, seconds: float = 120) -> str:
        """Until the command works; the guest itself tries again and again."""
        again = f"until OUT=$({command}); do [ $SECONDS -lt {seconds:.0f} ] || exit 99; sleep 0.2; done"
        done = self.run(f'{again}; echo "$OUT"', seconds + 60)
        assert done.code == 0, f"not within {seconds} s: {command}\n{done.out}\n{done.err}"
        return done.out

    def write(self, path: str, text: str) -> None:
        """A file inside, with the rights that it has."""
        data = base64.b64encode(text.encode()).decode()
        self.ok(f"mkdir -p $(dirname {path}) && echo {data} | base64 -d > {path}")

    def read(self, path: str) -> str:
        return self.ok(f"cat {shlex.quote(path)}")

    def cut(self) -> None:
        """The power goes: what the kernel had not written to its disk is lost."""
        self.process.kill()
        self.process.wait()
        self.line.close()

    def _say(self, message: dict[str, object]) -> None:
        self.line.sendall(json.dumps(message).encode() + b"\n")

    def _hear(self, seconds: float) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while b"\n" not in self._rest:
            self.line.settimeout(max(0.1, end - time.monotonic()))
            data = self.line.recv(1 << 16)
            if not data:
                raise RuntimeError(f"the machine ended: {self.console()[-2000:]}")
            self._rest += data
        text, _, self._rest = self._rest.partition(b"\n")
        told: dict[str, Any] = json.loads(text)
        return told

    def console(self) -> str:
        """What its kernel said."""
        return (self.folder / "console.log").read_text(encoding="utf-8", errors="replace")


def boot(image: Path, name: str, more: Sequence[str] = ()) -> Guest:
    """Start a machine from a thin copy of ``image``; again with the same name: from what it left. ``more``: of qemu.

    Raises:
        RuntimeError: it does not come up.
    """
    folder = WORK / "guests" / name
    folder.mkdir(parents=True, exist_ok=True)
    own, door = folder / "disk.qcow2", folder / "agent"
    if not own.exists():
        _done(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image), "-F", "raw", str(own)])
    door.unlink(missing_ok=True)
    base = root.make(packages())
    command = [
        "qemu-system-x86_64",
        "-machine",
        "q35",
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max,arch-capabilities=off",
    ]
    command += ["-smp", "2", "-m", str(MEMORY_MB), "-display", "none", "-nodefaults", "-no-reboot"]
    command += ["-kernel", str((base / "vmlinuz").resolve()), "-initrd", str((base / "initrd.img").resolve())]
    command += ["-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off quiet"]
    command += ["-serial", f"file:{folder}/console.log", "-device", "virtio-rng-pci", "-device", "i6300esb"]
    command += ["-drive", f"file={own},format=qcow2,if=virtio,cache=writeback", "-device", "virtio-serial-pci"]
    command += ["-chardev", f"socket,id=agent,path={door},server=on,wait=off"]
    command += ["-device", "virtserialport,chardev=agent,name=agent", *more]
    with (folder / "qemu.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
    guest = Guest(folder, process, _line(door))
    try:
        guest._hear(BOOT_S)
    except BaseException:
        guest.cut()
        raise
    return guest


def _line(door: Path) -> socket.socket:
    line, end = socket.socket(socket.AF_UNIX), time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError):
            line.connect(str(door))
            return line
        if time.monotonic() > end:
            raise RuntimeError("qemu did not start")
        time.sleep(0.1)


def _done(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
