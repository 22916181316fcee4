"""Runs the real command in a process of its own, with real descriptors, but without paying for its imports each time:
a fork server has them loaded already. ``tests/cli/test_cli_process.py`` runs the installed program itself.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import calls, readers

PRELOAD = (
    "tests.support.command",
    "tests.support.warm",
    "edge_segnet.cli.main",
    "edge_segnet.cli.segment",
    "edge_segnet.cli.evaluate",
    "edge_segnet.cli.convert",
    "edge_segnet.cli.import_caffe",
    "edge_segnet.cli.labels",
    "edge_segnet.cli.labels_inspect",
    "edge_segnet.cli.labels_lint",
    "edge_segnet.cli.labels_colourise",
    "edge_segnet.cli.dataset",
    "edge_segnet.cli.pick",
    "edge_segnet.cli.build_engine",
    "edge_segnet.cli.bench",
    "edge_segnet.backends.onnx",
    "edge_segnet.sources.images",
    "edge_segnet.sources.video_file",
    "edge_segnet.graph.resize",
    "edge_segnet.graph.lower",
    "edge_segnet.graph.head",
)
TIMEOUT_S = 60
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(list(PRELOAD))


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines of standard error that say why it failed."""
        return [line for line in self.err.splitlines() if line.startswith("edge-segnet: error: ")]

    @property
    def error(self) -> str:
        """The one line that says why; everything else on standard error must be log lines: no traceback, no noise."""
        assert len(self.errors) == 1, self.err
        foreign = [line for line in self.err.splitlines() if not line.startswith("edge-segnet: ")]
        assert not foreign, foreign
        return self.errors[0]

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def child(arguments: Sequence[str], folder: str, out: str, err: str, prepare: Callable[[], None] | None) -> None:
    """In the new process: ends it (SystemExit)."""
    for number, path in ((1, out), (2, err)):
        descriptor = os.open(path, os.O_WRONLY)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    sys.argv = ["edge-segnet", *arguments]
    readers.fork()
    if prepare is not None:
        prepare()
    from edge_segnet.cli.main import main

    main()


def edge_segnet(
    *arguments: str | Path, folder: Path | None = None, out: str = "", prepare: Callable[[], None] | None = None
) -> Done:
    """Run ``edge-segnet ARGUMENTS`` in ``folder``, standard output going to the file ``out`` if that is given;
    ``prepare`` (importable) is called first, in the new process.
    """
    calls.note(arguments)
    with tempfile.TemporaryDirectory() as place:
        logs = [Path(place) / name for name in ("out", "err")]
        for log in logs:
            log.touch()
        texts = [str(argument) for argument in arguments]
        request = (texts, str(folder or Path.cwd()), out or str(logs[0]), str(logs[1]), prepare)
        process = FORKSERVER.Process(target=child, args=request)
        process.start()
        process.join(TIMEOUT_S)
        if process.exitcode is None:
            process.kill()
            process.join()
        said = [log.read_text(encoding="utf-8") for log in logs]
        code = process.exitcode
        process.close()
    assert code is not None and code >= 0, (code, said)
    return Done(code, said[0], said[1])
