"""The child of ``harness``: makes cases, runs them, and tells each one's end on standard output as a line of JSON."""

from __future__ import annotations

import json
import logging
import os
import random
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any, Final

from edge_segnet.core.errors import EdgeSegnetError
from tests.fuzz.targets import open_target

MAX_BYTES: Final = 6 << 30
"""Of address space: above it, an allocation fails instead of taking the machine along."""
MAX_MESSAGE: Final = 2000


def main() -> None:
    name, folder, first, cases, seed = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:6])
    told = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    folder.mkdir(parents=True, exist_ok=True)
    target = open_target(name, folder)
    os.dup2(1, 2)  # decoders talk to it directly
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))

    def tell(**message: Any) -> None:
        told.write(json.dumps(message).encode() + b"\n")

    for number in range(first, cases):
        rng = random.Random(seed << 32 ^ number)
        tell(begin=number)
        _reset_peak()
        try:
            case = target.make(rng)
        except Exception as error:  # noqa: BLE001 - the mutator's libraries refuse what it tries to build
            tell(kind="unmade", what=f"{type(error).__name__}", s=0.0, mb=0)
            continue
        began_s = time.monotonic()
        kind, what = _outcome(target, case)
        tell(kind=kind, what=what, s=round(time.monotonic() - began_s, 3), mb=_peak_mb())
    os._exit(0)


def _outcome(target: Any, case: Any) -> tuple[str, str]:
    try:
        target.run(case)
    except EdgeSegnetError as error:
        text = str(error)
        if "\n" in text:
            return "untidy", f"a message of several lines, {_place(error)}"
        if len(text) > MAX_MESSAGE:
            return "untidy", f"a message of {len(text)} characters, {_place(error)}"
        return ("traceback", _place(error)) if error.exit_code == 1 else ("refused", "")
    except BaseException as error:  # noqa: BLE001 - this is what is looked for
        words = (str(error).splitlines() or [""])[0][:110]
        return "traceback", f"{type(error).__name__}: {words} at {_place(error)}"
    return "accepted", ""


def _place(error: BaseException) -> str:
    """The innermost line of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "edge_segnet" in frame.filename]
    frame = (own or frames)[-1]
    return f"{frame.filename.split('edge_segnet/')[-1]}:{frame.lineno} {frame.name}"


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5): VmHWM begins anew


def _peak_mb() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


if __name__ == "__main__":
    main()
