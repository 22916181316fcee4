"""OpenCV in a process that can be killed: frames come, trouble is told, nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from edge_segnet.core.errors import InputError, SourceLost
from edge_segnet.core.types import Frame
from edge_segnet.core.uris import Flip
from edge_segnet.pictures.shape import flip_image
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import child
from edge_segnet.sources.child import ChildSource
from edge_segnet.sources.live import FrameFormat, LiveSource
from edge_segnet.sources.nursery import Nursery
from tests.support.mjpeg_camera import MjpegCamera, quarters
from tests.support.tls import self_signed
from tests.support.waiting import wait_until

SIZE = (64, 48)


def opened(url: str, flip: Flip = "none") -> ChildSource:
    return ChildSource(CameraConfig(source=url), FrameFormat(SIZE, "stretch", flip, "front"), gstreamer=False)


def first(source: LiveSource) -> Frame:
    deadline = time.monotonic() + 20.0
    while (frame := source.read(0.2)) is None:
        assert time.monotonic() < deadline, "no frame"
    return frame


@contextmanager
def watching(camera: MjpegCamera) -> Iterator[tuple[ChildSource, psutil.Process]]:
    """A source that has given a frame, and its process."""
    with closing(opened(camera.url)) as source:
        first(source)
        yield source, psutil.Process(source._pid)


def test_frames_come_flipped_and_at_any_size() -> None:
    with MjpegCamera(user="me", password="p@ss:1%") as camera:
        url = camera.url.replace("p@ss:1%", "p%40ss%3A1%25")
        with closing(opened(url, "rotate-90")) as source:
            frame = first(source)
            assert source.live and frame.camera == "front" and frame.source_size == (240, 320)
            expected = flip_image(quarters(64, 48), "rotate-90")
            for y, x in ((12, 16), (12, 48), (36, 16), (36, 48)):
                wanted = expected[int(y * 64 / 48), int(x * 48 / 64)].astype(int)
                assert np.abs(frame.image[y, x].astype(int) - wanted).max() < 40
            assert 0 <= time.monotonic_ns() - frame.captured_ns < 5e9
            source.resize((32, 20))
            assert first(source).image.shape == (20, 32, 3)


def test_a_slow_reader_gets_the_newest_frame_and_sees_the_gap() -> None:
    with MjpegCamera(fps=100.0) as camera, closing(opened(camera.url)) as source:
        before = first(source)
        time.sleep(0.5)
        # What was in the pipe already is older; what follows is new, and numbers tell what is missing.
        after = [first(source) for _ in range(4)][-1]
        assert after.seq - before.seq > 10
        assert time.monotonic_ns() - after.captured_ns < 500e6


def test_the_password_is_seen_by_nobody() -> None:
    with MjpegCamera(user="me", password="hunter2") as camera, watching(camera) as (_, process):
        assert "hunter2" not in " ".join(process.cmdline()) + str(process.environ())


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_nobody_answers(scheme: str) -> None:
    with closing(opened(f"{scheme}://me:hunter2@127.0.0.1:9/x")) as source, pytest.raises(InputError) as refused:
        first(source)
    assert str(refused.value).startswith(
        f"{scheme}://127.0.0.1:9/x: nobody answers at 127.0.0.1:9 (Connection refused)"
    )


def test_it_answers_but_does_not_let_us_in() -> None:
    with MjpegCamera(user="me", password="right") as camera:
        source = opened(camera.url.replace("right", "wr0ng"))
        with closing(source), pytest.raises(InputError) as refused:
            first(source)
    assert "gives no video: user or password are wrong (401)" in str(refused.value) and "wr0ng" not in str(
        refused.value
    )


def test_a_camera_that_does_not_exist() -> None:
    with closing(opened("v4l2:///dev/video63")) as source, pytest.raises(InputError, match="no USB camera 63"):
        first(source)


def test_the_stream_ends() -> None:
    with MjpegCamera(fps=100.0) as camera, watching(camera) as (source, process):
        camera.end()
        with pytest.raises(SourceLost, match="no more frames"):
            while True:
                source.read(0.2)
    wait_until(lambda: not process.is_running())


def test_a_process_that_hangs_is_killed() -> None:
    with MjpegCamera() as camera, watching(camera) as (source, process):
        process.send_signal(signal.SIGSTOP)
        while source.read(0.05) is not None:
            pass
        began = time.monotonic()
        assert source.read(0.1) is None
        source.close()
        source.close()
        assert time.monotonic() - began < 5.0
        assert not process.is_running()
        with pytest.raises(SourceLost, match="closed"):
            source.read(0.1)


def test_a_process_that_dies_is_noticed() -> None:
    with MjpegCamera() as camera, watching(camera) as (source, process):
        process.kill()
        with pytest.raises(SourceLost, match="the process that reads it ended unexpectedly"):
            while True:
                source.read(0.2)
        source.resize((32, 32))  # nobody is there to hear it


def test_nothing_outlives_us() -> None:
    """Killed as hard as can be, a parent leaves no process behind."""
    with MjpegCamera() as camera:
        code = (
            "import sys, time; from tests.sources.test_child_source import opened, first\n"
            f"source = opened({camera.url!r}); first(source); print(source._pid, flush=True); time.sleep(60)"
        )
        parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.communicate()
        wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_descriptors_are_given_back() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    with MjpegCamera(fps=100.0) as camera:
        with watching(camera):
            pass  # the process that makes them stays
        before = descriptors()
        for _ in range(5):
            with watching(camera):
                pass
        # The test's own server closes its connections a moment later.
        wait_until(lambda: descriptors() <= before)


def test_a_certificate_must_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = self_signed(tmp_path)
    with MjpegCamera(tls=pair) as camera:
        with closing(opened(camera.url)) as source, pytest.raises(InputError, match="does not trust the certificate"):
            first(source)
        monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
        monkeypatch.setattr(child, "nursery", fresh := Nursery())
        with closing(fresh), closing(opened(camera.url)) as source:
            assert first(source).source_size == (320, 240)


SLOW_TO_LOAD = """
import runpy, sys, time
time.sleep(1.5)
runpy.run_module("edge_segnet.sources.nursery", run_name="__main__")
"""


def test_a_board_that_loads_slowly_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended for its slowness, it would be slow again, and never be ready."""
    monkeypatch.setattr("edge_segnet.sources.nursery.PATIENCE_S", 0.2)
    slow, told, pid = Nursery((sys.executable, "-c", SLOW_TO_LOAD)), [], 0
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with closing(slow), mine, theirs:
        processes = set()
        while not pid:
            try:
                pid = slow.start({}, [theirs.fileno(), theirs.fileno()])
            except SourceLost as error:
                told.append(error.message)
            assert slow._process is not None
            processes.add(slow._process.pid)
        slow.end(pid)
    assert len(told) >= 3 and set(told) == {"what reads cameras is still being loaded"} and len(processes) == 1


@pytest.mark.parametrize(
    ("binding", "said"),
    [
        ("", None),  # half installed, or hidden from the service: OpenCV reads
        ("raise RuntimeError('no luck\\nhere')\n", "what reads cameras can't be loaded (RuntimeError: no luck)"),
        ("import os\nos._exit(3)\n", "what reads cameras can't be loaded (the process that makes them ended)"),
    ],
)
def test_a_binding_that_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binding: str, said: str | None
) -> None:
    """However slowly it breaks, the end of loading is told as such, and not as a slow disk."""
    monkeypatch.setattr("edge_segnet.sources.nursery.PATIENCE_S", 0.2)
    (tmp_path / "gi").mkdir()
    (tmp_path / "gi" / "__init__.py").write_text(binding)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    broken, told, pid = Nursery(), "", 0
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with closing(broken), mine, theirs:
        end = time.monotonic() + 60
        while not pid and told != said:
            assert time.monotonic() < end, told
            try:
                pid = broken.start({}, [theirs.fileno(), theirs.fileno()])
            except SourceLost as error:
                told = error.message
        if pid:
            broken.end(pid)
    assert bool(pid) is (said is None)
