"""One machine: a layer above a root, systemd as its PID 1, a network of its own, and commands run inside it."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tools.system.root import WORK

BOOT_S: Final = 60.0
_NUMBERS: Final = itertools.count()
RT_HALT: Final = signal.SIGRTMIN + 3
"""What makes a systemd as PID 1 halt (systemd(1), "Signals")."""
INSIDE: Final = ("-m", "-u", "-i", "-n", "-p", "-C")
"""All of its namespaces; without -C commands would count as the host's."""


@dataclass(frozen=True)
class Done:
    """How a command inside ended, and what it said."""

    code: int
    out: str
    err: str

    def ok(self) -> str:
        """Standard output of a command that must have worked."""
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self.out


@dataclass
class Layer:
    """A folder with the differences to those below it; ``below``: the nearest first."""

    folder: Path
    below: list[Path]
    kept: bool = True
    """Otherwise it is in memory, and gone with its machine: quicker by far than a disk."""

    @classmethod
    def above(cls, *below: Path, name: str, kept: bool = True) -> Layer:
        """A fresh one."""
        folder = WORK / "layers" / re.sub(r"[^\w-]+", "-", name)
        _remove(folder)
        for part in ("upper", "work", "root"):
            (folder / part).mkdir(parents=True)
        return cls(folder, list(below), kept)

    @property
    def upper(self) -> Path:
        """To be put below others, once nothing runs above it."""
        return self.folder / "upper"

    @property
    def mount(self) -> str:
        lower = ":".join(map(str, self.below))
        there = self.folder if self.kept else self.folder / "memory"
        options = f"lowerdir={lower},upperdir={there}/upper,workdir={there}/work"
        begin = (
            ""
            if self.kept
            else f"mkdir -p {there} && mount -t tmpfs -o size=4g tmpfs {there} && mkdir {there}/upper {there}/work\n"
        )
        return f"{begin}mount -t overlay edge-segnet -o {options} {self.folder}/root"

    def run(self, command: str, binds: Sequence[tuple[Path, str]] = ()) -> Done:
        """A command in a chroot, nothing of systemd running: quicker than a boot where that is enough."""
        root = self.folder / "root"
        script = [PRIVATE, self.mount, f"mkdir -p {root}/proc {root}/tmp {root}/dev"]
        for source, target in binds:
            script += [f"mkdir -p {root}{target}", f"mount --bind -o ro {source} {root}{target}"]
        script += [f"mount -t proc proc {root}/proc", f"mount -t tmpfs tmpfs {root}/tmp"]
        script += [f"mount -t devtmpfs none {root}/dev 2>/dev/null || true"]
        script += [
            f"exec chroot {root} /usr/bin/env -i PATH={PATH} HOME=/root LC_ALL=C.UTF-8 bash -c {shlex.quote(command)}"
        ]
        return _finished(["unshare", "--mount", "--propagation", "private", "bash", "-c", "\n".join(script)])

    def remove(self) -> None:
        """Nothing of it stays."""
        _remove(self.folder)


PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PRIVATE: Final = "set -e; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp"
"""The host's own /run and /tmp are out of reach of whatever follows, mistakes included."""


def _remove(folder: Path) -> None:
    subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=True)


def _finished(command: Sequence[str], timeout: float | None = None) -> Done:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@dataclass
class Machine:
    """A running one."""

    layer: Layer
    process: subprocess.Popen[bytes]
    init: int
    log: Path
    started: float = field(default_factory=time.monotonic)

    def run(self, command: str, timeout: float = 120) -> Done:
        """Run a line of shell inside, as root."""
        clean = ["env", "-i", f"PATH={PATH}", "HOME=/root", "LC_ALL=C.UTF-8", "bash", "-c", command]
        return _finished(["nsenter", "-t", str(self.init), *INSIDE, "--", *clean], timeout)

    def start(self, command: str) -> None:
        """Run a program inside that stays: as a transient unit of its systemd."""
        self.run(f"systemd-run --quiet --collect {command}").ok()

    def ok(self, command: str, timeout: float = 120) -> str:
        """As ``run``; it must work."""
        return self.run(command, timeout).ok()

    def file(self, path: str) -> Path:
        """A file of the machine, by its path inside; through its root, as the machine itself sees it."""
        return Path(f"/proc/{self.init}/root{path}")

    def wait(self, command: str, seconds: float = 30) -> str:
        """Until the command works."""
        end = time.monotonic() + seconds
        while True:
            done = self.run(command)
            if done.code == 0:
                return done.out
            assert time.monotonic() < end, f"not within {seconds} s: {command}\n{done.out}\n{done.err}"
            time.sleep(0.1)

    def stop(self) -> None:
        """Halt; and, if it does not, end its PID 1, with which all of it ends."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.init, RT_HALT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.init, signal.SIGKILL)
            self.process.wait(10)


def boot(layer: Layer, binds: Sequence[tuple[Path, str]] = ()) -> Machine:
    """Start systemd in a layer and wait until it has started its units."""
    log = layer.folder / "console.log"
    name = f"robot-{os.getpid()}-{next(_NUMBERS)}"
    nspawn = ["systemd-nspawn", "-q", "-D", f"{layer.folder}/root", "-M", name, "--register=no", "--keep-unit"]
    nspawn += ["--private-network", "--console=pipe", "--settings=no", "--resolv-conf=off", "--timezone=off", "-b"]
    nspawn += [f"--bind-ro={source}:{target}" for source, target in binds]
    script = f"{PRIVATE}\n{layer.mount}\nexec {shlex.join(nspawn)}"
    with log.open("wb") as console:
        process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        machine = Machine(layer, process, _init_of(process, log), log)
        machine.wait("systemctl is-system-running | grep -Eq 'running|degraded'", BOOT_S)
    except BaseException:
        process.kill()
        raise
    return machine


def _init_of(process: subprocess.Popen[bytes], log: Path) -> int:
    end = time.monotonic() + BOOT_S
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while time.monotonic() < end and process.poll() is None:
        found = children.read_text(encoding="ascii").split()
        if found and Path(f"/proc/{found[0]}/comm").read_text(encoding="ascii").strip() in ("systemd", "init"):
            return int(found[0])
        time.sleep(0.05)
    raise RuntimeError(f"systemd-nspawn did not start: {log.read_text(errors='replace')[-1000:]}")


@contextlib.contextmanager
def machine(*below: Path, name: str, binds: Sequence[tuple[Path, str]] = ()) -> Iterator[Machine]:
    """A machine above these layers, nearest first; gone at the end."""
    layer = Layer.above(*below, name=name, kept=False)
    running = boot(layer, binds)
    try:
        yield running
    finally:
        running.stop()
        layer.remove()
