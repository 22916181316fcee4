"""``edge-segnet train`` in processes of its own, forked from one that has torch: a test pays for the training alone."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from edge_segnet.core.processes import end_with_parent
from tests.support import command
from tests.support.command import Done

Train = Callable[[list[str]], Done]
"""Takes the words after ``edge-segnet``."""
LIMIT_S = 300.0


def _serve(asked: Connection) -> None:
    """One at a time, until nobody asks any more."""
    end_with_parent()
    import torch._dynamo  # noqa: F401 - every optimiser of torch imports it, with all of sympy

    from edge_segnet.train import curves, export, start  # noqa: F401

    with contextlib.suppress(ImportError):
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot
    with contextlib.suppress(EOFError):
        while True:
            words, out, err = asked.recv()
            pid = os.fork()
            if pid == 0:
                _train(words, out, err)
            asked.send(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _train(words: list[str], out: str, err: str) -> None:
    code = 1
    end_with_parent()
    try:
        command.child(words, str(Path.cwd()), out, err, None)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        os._exit(code)


@contextlib.contextmanager
def trainer() -> Iterator[Train]:
    """While the block runs."""
    ours, theirs = command.FORKSERVER.Pipe()
    process = command.FORKSERVER.Process(target=_serve, args=(theirs,))
    process.start()
    theirs.close()

    def train(words: list[str]) -> Done:
        with tempfile.TemporaryDirectory() as place:
            logs = [Path(place) / name for name in ("out", "err")]
            for log in logs:
                log.touch()
            ours.send((words, *map(str, logs)))
            assert ours.poll(LIMIT_S), f"no end: {words}"
            return Done(ours.recv(), *(log.read_text(encoding="utf-8") for log in logs))

    try:
        yield train
    finally:
        ours.close()
        process.join(10)
        if process.exitcode is None:
            process.kill()
            process.join()
