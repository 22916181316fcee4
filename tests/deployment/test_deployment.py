"""The container and the engine's unit: linted and analysed here, never built or started (docs/verification.md)."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import edge_segnet

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile.l4t"
UNIT = ROOT / "systemd" / "edge-segnet-engine.service"


def test_the_dockerfile_is_clean() -> None:
    program = shutil.which("hadolint") or shutil.which(str(Path(sys.executable).parent / "hadolint"))
    if program is None:
        pytest.skip("hadolint is not installed (extra: dev)")
    done = subprocess.run([program, "--no-color", str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_the_dockerfile_copies_is_there_and_reaches_the_builder() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for word in line.split()]
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"
    ]
    assert copied and sorted(copied) == sorted(allowed)
    assert all((ROOT / name).exists() for name in copied)
    assert "USER 10001" in text and "HEALTHCHECK" in text and "ARG JETPACK=6" in text


def unit_value(key: str) -> str:
    found = re.search(rf"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_units_command_is_one_of_ours(tmp_path: Path) -> None:
    words = shlex.split(unit_value("ExecStart"))
    assert Path(words[0]).name == "edge-segnet" and words[1:] == [
        "build-engine",
        "--deployed",
        "$MODEL",
        "$ENGINE_FLAGS",
    ]
    done = edge_segnet(words[1], "none-such", folder=tmp_path)
    assert done.code == 3 and "none-such: no such model" in done.error


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace(unit_value("ExecStart"), "/bin/true"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and UNIT.name not in done.stderr, done.stderr
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]
