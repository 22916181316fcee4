"""Who will run the service, and what may that user do?"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

READ, WRITE, ENTER = stat.S_IROTH, stat.S_IWOTH, stat.S_IXOTH


@dataclass(frozen=True)
class Account:
    """``asking``: it is the user who asks, so the kernel can answer, access lists included."""

    name: str
    uid: int
    gids: frozenset[int]
    asking: bool = True

    def may(self, path: Path, rights: int) -> bool:
        """Whether the user has ``rights`` (READ | WRITE | ENTER) for a file and may enter the folders above it."""
        if self.asking:
            return os.access(path, rights)
        if self.uid == 0:
            return path.exists()
        try:
            above = [folder for folder in path.resolve().parents if not self._has(folder.stat(), ENTER)]
            return not above and self._has(path.stat(), rights)
        except OSError:
            return False

    def _has(self, facts: os.stat_result, rights: int) -> bool:
        if facts.st_uid == self.uid:
            return facts.st_mode >> 6 & rights == rights
        if facts.st_gid in self.gids:
            return facts.st_mode >> 3 & rights == rights
        return facts.st_mode & rights == rights


def asking() -> Account:
    """Who runs this program."""
    uid = os.geteuid()
    return Account(_user(uid), uid, frozenset({os.getegid(), *os.getgroups()}))


def of_service(user: str, groups: Iterable[str]) -> Account | None:
    """The user of a unit, with the groups that the unit adds; None: there is no such user."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return None
    gids = {entry.pw_gid, *os.getgrouplist(user, entry.pw_gid), *filter(None, map(gid_of, groups))}
    return Account(user, entry.pw_uid, frozenset(gids), asking=entry.pw_uid == os.geteuid() != 0)


def exists(user: str) -> bool:
    """Whether there is a user of that name."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def gid_of(group: str) -> int | None:
    """A group's number; None: there is none of that name."""
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def group_of(path: Path) -> str:
    """The name, or the number, of a file's group."""
    gid = path.stat().st_gid
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
