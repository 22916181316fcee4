"""The program and the command as two processes: what a robot is left with after a kill -9 in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_segnet.settings import deployed
from tests.service.test_deploy import sha256_of
from tests.support import suspects
from tests.support.program import program
from tests.support.waiting import wait_until


def test_the_old_one_serves_and_who_asked_is_told(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"STATE_DIRECTORY": str(tmp_path / "state")}
    monkeypatch.setenv(*next(iter(state.items())))
    new = suspects.good(tmp_path / "new.onnx")
    command = [sys.executable, "-m", "edge_segnet", "service", "model", str(new), "--canary", "6s", "--slower", "50"]
    with program("-m", model, environment=state) as service:
        service.wait_ready()
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | state) as asking:
            wait_until(lambda: (now := deployed.read().under_way) is not None and now.stage == "canary", 40)
            wait_until(lambda: service.get("/api/status").json()["model_sha256"] == sha256_of(new))
            service.end(signal.SIGKILL)
            with program("-m", model, environment=state) as again:
                again.wait_ready()
                told = asking.communicate(timeout=40)[1]
                status = again.get("/api/status").json()
    assert status["model_sha256"] == sha256_of(model) and status["deployment"]["stage"] == "interrupted"
    assert asking.returncode == 7 and "tiny was interrupted: the service ended in the middle of it" in told, told
    assert deployed.read().deployed is None
