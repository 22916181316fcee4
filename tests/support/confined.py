"""Runs a program under the filters of a unit file, without systemd as the first process.

    python -m tests.support.confined edge-segnet.service PROGRAM ARGUMENTS

The unit's own words are read: SystemCallFilter (its sets as ``systemd-analyze`` lists them), SystemCallErrorNumber,
RestrictAddressFamilies, MemoryDenyWriteExecute, NoNewPrivileges, and an empty CapabilityBoundingSet. The filters are
libseccomp's, made as systemd.exec(5) describes them. Not covered: users, cgroups, devices, mounts.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import mmap
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ALLOW: Final = 0x7FFF0000
ERRNO: Final = 0x00050000
NOT_EQUAL, EQUAL, MASKED_EQUAL = 1, 4, 7
SHM_EXEC: Final = 0o100000
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 24, 38, 47, 4


class _Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


@functools.cache
def library() -> Any:
    """libseccomp, which systemd itself uses; raises OSError where it is not installed."""
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    seccomp.seccomp_init.argtypes = [ctypes.c_uint32]
    seccomp.seccomp_load.argtypes = [ctypes.c_void_p]
    seccomp.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Compare),
    ]
    return seccomp


def settings(unit: Path, key: str) -> list[str]:
    """Every value of a key in a unit file, in order."""
    lines = unit.read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[2].strip() for line in lines if line.startswith(f"{key}=")]


def system_calls(unit: Path) -> set[str]:
    """Names that the unit's SystemCallFilter lines leave allowed."""
    allowed: set[str] = set()
    for line in settings(unit, "SystemCallFilter"):
        names = {name for word in line.removeprefix("~").split() for name in _expanded(word)}
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed | set(_expanded("@default"))


@functools.cache
def _expanded(word: str) -> tuple[str, ...]:
    if not word.startswith("@"):
        return (word,)
    done = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True)
    lines = [line.strip() for line in done.stdout.splitlines()[1:]]
    return tuple(name for line in lines if line and not line.startswith("#") for name in _expanded(line))


class Filter:
    """A seccomp filter that refuses what it was not told to allow."""

    def __init__(self, refusal: int) -> None:
        self._filter = library().seccomp_init(ERRNO | refusal)

    def rule(self, action: int, name: str, *compares: tuple[int, int, int, int]) -> None:
        """Add a rule; a call that this processor does not have is passed over."""
        number = library().seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            array = (_Compare * max(1, len(compares)))(*[_Compare(*compare) for compare in compares])
            code = library().seccomp_rule_add_array(self._filter, action, number, len(compares), array)
            assert code == 0, (name, os.strerror(-code))

    def load(self) -> None:
        """From here on it holds, for this process and all that come from it."""
        code = library().seccomp_load(self._filter)
        assert code == 0, os.strerror(-code)


def confine(unit: Path) -> None:
    """Put this process under the unit's filters."""
    refusal = getattr(errno, (settings(unit, "SystemCallErrorNumber") or ["EPERM"])[0])
    calls, guarded = Filter(refusal), set()
    if settings(unit, "MemoryDenyWriteExecute") == ["yes"]:
        guarded |= _no_new_code(calls)
    if families := settings(unit, "RestrictAddressFamilies"):
        guarded |= {"socket"}
        for family in families[0].split():
            calls.rule(ALLOW, "socket", (0, EQUAL, getattr(socket, family), 0))
    for name in system_calls(unit) - guarded - {"clone3"}:
        calls.rule(ALLOW, name)
    calls.rule(ERRNO | errno.ENOSYS, "clone3")  # RestrictNamespaces can't see into its arguments
    _drop_rights(unit)
    calls.load()


def _no_new_code(calls: Filter) -> set[str]:
    write, execute = mmap.PROT_WRITE, mmap.PROT_EXEC
    for wanted in (0, write, execute):
        calls.rule(ALLOW, "mmap", (2, MASKED_EQUAL, write | execute, wanted))
    for name in ("mprotect", "pkey_mprotect"):
        calls.rule(ALLOW, name, (2, MASKED_EQUAL, execute, 0))
    calls.rule(ALLOW, "shmat", (2, MASKED_EQUAL, SHM_EXEC, 0))
    return {"mmap", "mprotect", "pkey_mprotect", "shmat"}


def _drop_rights(unit: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if settings(unit, "CapabilityBoundingSet") == [""] and os.geteuid() == 0:
        last = int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="ascii"))
        for capability in range(last + 1):
            assert libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    if settings(unit, "NoNewPrivileges") == ["yes"]:
        assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
