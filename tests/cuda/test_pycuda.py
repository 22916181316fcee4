"""pycuda's real calls, context stack, threads and errors, on a driver built here; skipped where pycuda is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cuda import standin


@pytest.mark.parametrize("integrated", [False, True])
def test_the_loop(tmp_path: Path, integrated: bool) -> None:
    if reason := standin.build(tmp_path, integrated=integrated):
        pytest.skip(reason)
    done = standin.run(tmp_path, "-m", "tests.cuda.standin.loop")
    assert done.stdout == "good\n" and done.stderr == "", done.stdout + done.stderr


def test_buffers_kernels_and_faults(tmp_path: Path) -> None:
    if reason := standin.build(tmp_path):
        pytest.skip(reason)
    done = standin.run(tmp_path, "-m", "pytest", "-q", "tests/gpu/test_cuda.py", "-p", "no:cacheprovider")
    assert done.returncode == 0 and " passed" in done.stdout and "skipped" not in done.stdout, done.stdout[-2000:]
