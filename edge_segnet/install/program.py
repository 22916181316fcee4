"""The program at its place: /opt/edge-segnet, an environment of root's that the unit can see.

It is copied from wherever ``service install`` was called (a user's environment, a checkout), package by package,
without a package index: what edge-segnet needs, and what of its options is installed. A package of the distribution's
lies there already, and copies nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import OutputError, UsageError
from edge_segnet.core.files import output_error
from edge_segnet.install import share
from edge_segnet.install.steps import Step, link, remove_tree

HOME: Final = Path("/opt/edge-segnet")
NEXT: Final = Path("/opt/edge-segnet.new")
BEFORE: Final = Path("/opt/edge-segnet.before")
MARK: Final = "edge-segnet.json"
"""Written last: an environment without it is half a one."""
COMMAND: Final = Path("/usr/local/bin/edge-segnet")
OPTIONS: Final = frozenset({"mqtt", "recording", "gpu", "gstreamer", "openvino", "tensorrt-rtx"})
"""Extras that a service can use; those for tests, training and windows stay behind."""
HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""Folders that the unit's ProtectHome= and PrivateTmp= keep from the service."""
MARGIN: Final = 64 << 20
"""Bytes of the disk that stay free beside what the program takes."""
SCRIPT: Final = """#!{python}
import sys
from edge_segnet.cli.main import main
sys.exit(main())
"""


def hidden(path: Path) -> str | None:
    """The folder that keeps ``path`` from the service, if any."""
    return next((place for place in HIDDEN if path.is_relative_to(place)), None)


@dataclass(frozen=True)
class Package:
    """Files of one installed package: where each lies, and its place below site-packages."""

    name: str
    version: str
    files: tuple[tuple[Path, str], ...]


@dataclass(frozen=True)
class Program:
    """This program and what it needs, as it is installed here."""

    interpreter: Path
    """The Python below the environment, which the copy uses too."""

    @classmethod
    def here(cls) -> Program:
        """The one that runs; raises UsageError where its Python can't serve."""
        base: str = getattr(sys, "_base_executable", sys.executable)
        interpreter = Path(base)
        place = hidden(interpreter.resolve())
        if place is not None:
            hint = "install edge-segnet with the distribution's python3"
            raise UsageError(
                f"Python itself lies under {place} ({interpreter}), where the service can't see it", hint=hint
            )
        return cls(interpreter)

    @property
    def at_home(self) -> bool:
        """Whether it runs from /opt/edge-segnet already."""
        return Path(sys.prefix).resolve() == HOME.resolve()

    @cached_property
    def packages(self) -> list[Package]:
        """edge-segnet first."""
        system = tuple(Path(path).resolve() for path in _system_paths(self.interpreter))
        found = list(closure("edge-segnet", OPTIONS))
        kept = [one for one in found[1:] if Path(str(one.locate_file(""))).resolve() not in system]
        return [_ourselves(found[0]), *map(_package, kept)]

    @cached_property
    def size(self) -> int:
        """Bytes to copy."""
        return sum(path.stat().st_size for package in self.packages for path, _ in package.files)

    @cached_property
    def mark(self) -> str:
        """JSON that is the same for the same program."""
        whole = hashlib.sha256()
        for path, name in sorted(self.packages[0].files, key=lambda file: file[1]):
            if not name.endswith(".pyc"):
                whole.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        versions = {package.name: package.version for package in self.packages}
        python = "{}.{}".format(*sys.version_info)
        return json.dumps({"python": python, "sha256": whole.hexdigest(), "packages": versions}, indent=1)


def _system_paths(interpreter: Path) -> list[str]:
    """Where the Python below finds packages without our help, and the copy will too."""
    done = subprocess.run(
        [interpreter, "-I", "-c", "import sys; print('\\n'.join(sys.path))"], capture_output=True, text=True, check=True
    )
    return [line for line in done.stdout.splitlines() if line]


def closure(name: str, extras: frozenset[str]) -> Iterator[Distribution]:
    """A package and, once each, what it needs and has."""
    waiting, seen = [(name, extras)], set()
    while waiting:
        wanted, options = waiting.pop(0)
        if (key := re.sub(r"[-_.]+", "-", wanted).lower()) in seen:
            continue
        seen.add(key)
        try:
            one = distribution(wanted)
        except PackageNotFoundError:
            continue  # for another platform, or an option that was left out
        yield one
        for line in one.requires or ():
            extra = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", line)
            if extra is None or extra[1] in options:
                waiting.append((re.split(r"[^\w.-]", line, maxsplit=1)[0], frozenset()))


def _package(one: Distribution) -> Package:
    files = one.files
    if files is None:
        raise UsageError(f"{one.name} has no list of its files", hint=f"install it with pip: pip install {one.name}")
    names = [str(file) for file in files]
    inside = [name for name in names if not name.startswith(("/", "..")) and not name.endswith("direct_url.json")]
    found = [(Path(str(one.locate_file(name))), name) for name in inside]
    return Package(one.name, one.version, tuple((path, name) for path, name in found if path.is_file()))


def _ourselves(one: Distribution) -> Package:
    """Package and share, from wherever the code that runs lies: an editable installation has only a pointer."""
    package = share.PACKAGE
    files = [(path, path.relative_to(package.parent)) for path in package.rglob("*") if path.suffix != ".pyc"]
    if not (package / "share").is_dir():
        for name in share.FOLDERS:
            top = share.folder(name)
            files += [(path, Path("edge_segnet/share") / name / path.relative_to(top)) for path in share.files(name)]
    return Package("edge-segnet", one.version, tuple((path, str(name)) for path, name in files if path.is_file()))


def steps(program: Program) -> list[Step]:
    """Bring the program to its place and into PATH; nothing where it is there already."""
    done = link(COMMAND, HOME / "bin" / "edge-segnet") if shutil.which("edge-segnet", path=ROOTS_PATH) is None else []
    if program.at_home:
        return done
    if HOME.exists() and not (HOME / "pyvenv.cfg").is_file():
        raise UsageError(
            f"{HOME} is there and is no Python environment", hint="move it away; edge-segnet is installed there"
        )
    if _read(HOME / MARK) == program.mark:
        return done
    packages, megabytes = len(program.packages), program.size / 1e6
    what = f"put this program at {HOME}: {packages} packages, {megabytes:.0f} MB, Python {program.interpreter}"
    if HOME.exists():
        what += f"; the one there goes to {BEFORE} until this one is ready"
    return [Step(what, lambda undo: _install(program, undo)), *done]


ROOTS_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What sudo and systemd look through."""


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def check_space(program: Program) -> None:
    """Raises OutputError where the copy would not fit."""
    place = next(folder for folder in (HOME, *HOME.parents) if folder.exists())
    free, wanted = shutil.disk_usage(place).free, program.size + MARGIN
    if free < wanted:
        what = f"{HOME}: {wanted / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free"
        raise OutputError(what, hint="free some space and run it again")


def _install(program: Program, undo: ExitStack) -> None:
    """Build beside, then swap: two renames, and the service never sees half of it."""
    remove_tree(NEXT)  # of an attempt that was cut
    undo.callback(remove_tree, NEXT)
    try:
        _build(program, NEXT)
        undo.callback(_swap_back, HOME.exists())
        remove_tree(BEFORE)
        if HOME.exists():
            HOME.rename(BEFORE)
        NEXT.rename(HOME)
    except OSError as error:
        raise output_error(HOME, error) from error


def _swap_back(was_there: bool) -> None:
    if BEFORE.exists() or not was_there:
        remove_tree(HOME)
    if BEFORE.exists():
        BEFORE.rename(HOME)


def _build(program: Program, folder: Path) -> None:
    _say_run([program.interpreter, "-m", "venv", "--system-site-packages", "--without-pip", folder])
    site = next((folder / "lib").glob("python*/site-packages"))
    for package in program.packages:
        for source, name in package.files:
            target = site / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            facts = source.stat()
            target.chmod(0o755 if facts.st_mode & 0o111 else 0o644)
            os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # compiled files are judged by it
    _write_metadata(site)
    for script in (folder / "bin").glob("[aA]ctivate*"):
        script.unlink()  # they name the folder that it is built in
    command = folder / "bin" / "edge-segnet"
    command.write_text(SCRIPT.format(python=HOME / "bin" / "python"), encoding="utf-8")
    command.chmod(0o755)
    # The unit can't write here, so what is not compiled now is compiled at every start.
    _say_run([folder / "bin" / "python", "-m", "compileall", "-q", "-j", "0", "-s", folder, "-p", HOME, site])
    (folder / MARK).write_text(program.mark, encoding="utf-8")


def _write_metadata(site: Path) -> None:
    """What an installer leaves of us, so that the version and the options are known there too."""
    one = distribution("edge-segnet")
    folder = site / f"edge_segnet-{one.version}.dist-info"
    folder.mkdir(exist_ok=True)
    text = one.read_text("METADATA") or one.read_text("PKG-INFO") or ""
    (folder / "METADATA").write_text(text, encoding="utf-8")
    (folder / "INSTALLER").write_text("edge-segnet\n", encoding="utf-8")
    (folder / "RECORD").write_text("", encoding="utf-8")


def _say_run(command: list[str | Path]) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise OutputError(f"{command[0]} {command[2]} failed: {last[0]}", hint="the distribution's python3 is needed")


def forget_before() -> None:
    """The new one is ready: the one before goes."""
    remove_tree(BEFORE)
