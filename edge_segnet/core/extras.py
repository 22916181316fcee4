"""How to install what is missing, into *this* installation: edge-segnet is on no public index."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import Final

_NAMED: Final = re.compile(r"pip install 'edge-segnet\[([\w-]+)\]'")


def here(hint: str) -> str:
    """The same hint, with ``pip install 'edge-segnet[EXTRA]'`` as the command that works for the program that runs."""
    return _NAMED.sub(lambda found: command(found[1]), hint)


def command(extra: str) -> str:
    """``/opt/edge-segnet/bin/python -m pip install 'paho-mqtt>=2.0'``, with sudo where this user may not write."""
    from importlib.metadata import PackageNotFoundError, requires  # which who misses nothing does not wait for

    try:
        lines = requires("edge-segnet") or []
    except PackageNotFoundError:
        lines = []
    wanted = [line.partition(";")[0].strip() for line in lines if re.search(rf"extra == ['\"]{extra}['\"]", line)]
    if not wanted:
        return f"pip install 'edge-segnet[{extra}]'"
    sudo = "" if os.access(sys.prefix, os.W_OK) else "sudo "
    return f"{sudo}{shlex.quote(sys.executable)} -m pip install {shlex.join(wanted)}"
