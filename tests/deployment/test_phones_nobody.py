"""Nothing leaves the machine that nobody asked for, and nothing is left in the user's folders."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2
import pytest

from edge_segnet.core.quiet import SWITCHES
from tests.conftest import picture
from tests.support.models import save_tiny

ROOT = Path(__file__).parents[2]
OURS = Path("cache/edge-segnet")
"""What can be made again: which runtime is quicker here, and what OpenVINO compiled."""
LINGER_S = 1.5
"""ONNX Runtime 1.32 makes its first call within half a second of a session."""


class Proxy:
    """A proxy that nobody may call: counts whoever does."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with near:
                near.settimeout(1.0)
                self.calls.append(near.recv(200))

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    made = Proxy()
    yield made
    made.close()


def environment(proxy: Proxy, home: Path) -> dict[str, str]:
    """A user who has nothing yet, behind the proxy."""
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in SWITCHES and "PROXY" not in name.upper()}
    proxies = {f"{name}_proxy": proxy.url for name in ("http", "https", "all")}
    folders = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "STATE_DIRECTORY": str(home.parent / "state")}
    upper = {name.upper(): url for name, url in proxies.items()}
    return kept | folders | proxies | upper


def ran(arguments: list[str], proxy: Proxy, folder: Path, end_after_s: float | None = None) -> str:
    """Run a command; what it said. Nothing may have been called or written."""
    home = folder / "home"
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_segnet", *arguments],
        env=environment(proxy, home),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    if end_after_s is not None:
        assert process.stderr is not None
        said = next((line for line in process.stderr if "ready after" in line), "")
        assert said
        time.sleep(end_after_s)
        process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert proxy.calls == []
    written = [path.relative_to(home) for path in home.rglob("*") if path.is_file()]
    assert [path for path in written if OURS not in path.parents] == []
    return said


def test_segment(proxy: Proxy, tmp_path: Path) -> None:
    video = tmp_path / "pictures"
    video.mkdir()
    cv2.imwrite(str(video / "a.png"), picture())
    ran(["segment", str(video), "--out", str(tmp_path / "out")], proxy, tmp_path)


def test_run(proxy: Proxy, tmp_path: Path) -> None:
    ran(["run", "--set", "http.port=0"], proxy, tmp_path, end_after_s=LINGER_S)


def test_bench(proxy: Proxy, tmp_path: Path) -> None:
    ran(["bench", "--seconds", "1", "--warmup", "0", "--json", str(tmp_path / "bench.json")], proxy, tmp_path)


@pytest.mark.skipif(find_spec("tensorrt_rtx_bindings") is None, reason="needs TensorRT for RTX")
def test_build_engine(proxy: Proxy, tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "tiny.onnx")
    options = ["--runtime", "tensorrt-rtx", "--compute-capability", "8.6", "--out", str(tmp_path / "tiny.engine")]
    ran(["build-engine", str(model), *options], proxy, tmp_path)


def test_who_asks_for_it_keeps_it() -> None:
    code = "import os, edge_segnet; print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['DO_NOT_TRACK'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "ORT_DISABLE_TELEMETRY": "0"}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["0", "1"]


@pytest.mark.parametrize(
    "file", ["systemd/edge-segnet.service", "systemd/edge-segnet-engine.service", "Dockerfile.l4t"]
)
def test_units_and_image_say_it_too(file: str) -> None:
    """For whatever is started beside the program there: a shell in the image, a script of the user's own."""
    text = (ROOT / file).read_text(encoding="utf-8")
    for name in ("ORT_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        assert re.search(rf"(?m)^(Environment=|ENV |.*\s){name}=1\b", text), name
