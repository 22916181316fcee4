"""Cameras and streams through OpenCV, where there is no GStreamer. OpenCV's calls may hang for ever, so they run in a
process of their own (``child_camera``), which can be killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from edge_segnet.core.errors import InputError, SourceLost
from edge_segnet.core.types import Frame
from edge_segnet.core.uris import SourceUri
from edge_segnet.pictures.files import read_only
from edge_segnet.pictures.shape import fit_image
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources.child_camera import HEADER, Kind
from edge_segnet.sources.live import FrameFormat

READ_BYTES: Final = 1 << 20
REAP_S: Final = 1.0
FFMPEG: Final = "fpsprobesize;0|flags;low_delay|max_delay;{delay_us}|rtsp_transport;{transport}"
"""No second of probing for the frame rate before the first frame."""


def _options(source: SourceUri, camera: CameraConfig) -> str:
    options = FFMPEG.format(delay_us=1000 * camera.latency_ms, transport="udp" if camera.transport == "udp" else "tcp")
    if source.url.startswith(("rtsps:", "https:")):
        # Left to itself, FFmpeg accepts any certificate.
        options += f"|tls_verify;1|ca_file;{ssl.get_default_verify_paths().cafile or ''}"
    return options


class ChildSource:
    """A camera that another process reads; its newest frame wins here as well. ``original`` is not kept."""

    live = True
    damaged = 0

    def __init__(self, source: SourceUri, camera: CameraConfig, wish: FrameFormat) -> None:
        """Start the process; whether there is a camera comes out of ``read``."""
        self._source, self._wish = source, wish
        self._lock = threading.Lock()
        self._closed = False
        self._bytes = bytearray()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge_segnet.sources.child_camera"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # FFmpeg's chatter names addresses with their passwords.
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OPENCV_FFMPEG_CAPTURE_OPTIONS": _options(source, camera)},
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._orders, self._frames = self._process.stdin, self._process.stdout
        os.set_blocking(self._frames.fileno(), False)
        # Not as an argument: those are seen by every user of the machine.
        self._order(uri=source.text, size=wish.size, fit=wish.fit, flip=wish.flip)

    def read(self, timeout_s: float) -> Frame | None:
        """The newest frame, or None when none came in time.

        Raises:
            InputError: there is no such camera, or it can't do what was asked.
            SourceLost: it gives no more frames, or the process died.
        """
        deadline = time.monotonic() + timeout_s
        with self._lock:
            if self._closed:
                raise SourceLost(f"{self._source.shown}: closed")
            while True:
                ended = self._receive(max(0.0, deadline - time.monotonic()))
                newest = None
                for kind, facts, data in self._messages():
                    if kind == Kind.FRAME:
                        newest = facts, data
                    else:
                        error = InputError if kind == Kind.UNUSABLE else SourceLost
                        raise error(facts["message"], hint=facts["hint"])
                if newest is not None:
                    return self._frame(*newest)
                if ended:
                    raise SourceLost(f"{self._source.shown}: the process that reads it ended unexpectedly")
                if time.monotonic() >= deadline:
                    return None

    def resize(self, size: tuple[int, int]) -> None:
        """Frames come at ``size`` (width, height) from the next one on."""
        self._wish = replace(self._wish, size=size)
        self._order(size=size)

    def close(self) -> None:
        """Kill the process; may be called twice, and while another thread reads."""
        self._process.kill()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for pipe in (self._orders, self._frames):
                with contextlib.suppress(OSError):
                    pipe.close()
        # One that hangs inside the kernel is collected when that lets it go.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(REAP_S)

    def _order(self, **order: Any) -> None:
        with contextlib.suppress(OSError):  # it died: read says so
            self._orders.write(json.dumps(order).encode() + b"\n")
            self._orders.flush()

    def _receive(self, timeout_s: float) -> bool:
        """Take what the pipe holds; True: the process closed it."""
        poll = select.poll()
        poll.register(self._frames, select.POLLIN)
        if not poll.poll(1000.0 * timeout_s):
            return False
        while True:
            try:
                data = os.read(self._frames.fileno(), READ_BYTES)
            except BlockingIOError:
                return False
            if not data:
                return True
            self._bytes += data
            if len(self._bytes) > HEADER.size and len(self._bytes) >= self._expected():
                return False

    def _expected(self) -> int:
        _, facts, data = HEADER.unpack_from(self._bytes)
        return int(HEADER.size + facts + data)

    def _messages(self) -> Iterator[tuple[int, dict[str, Any], bytes]]:
        """The whole messages that are there, oldest first."""
        while len(self._bytes) >= HEADER.size and len(self._bytes) >= self._expected():
            kind, facts_size, _ = HEADER.unpack_from(self._bytes)
            end, begin = self._expected(), HEADER.size + facts_size
            facts, data = json.loads(self._bytes[HEADER.size : begin]), bytes(self._bytes[begin:end])
            del self._bytes[:end]
            yield kind, facts, data

    def _frame(self, facts: dict[str, Any], data: bytes) -> Frame:
        width, height = facts["size"]
        image = np.frombuffer(data, np.uint8).reshape(height, width, 3)
        age_s = (time.monotonic_ns() - facts["captured_ns"]) / 1e9
        return Frame(
            image=read_only(fit_image(image, self._wish.size, self._wish.fit)),
            original=None,
            seq=facts["seq"],
            captured_ns=facts["captured_ns"],
            captured_at=time.time() - age_s,
            camera=self._wish.camera,
            scaled_from=(facts["source"][0], facts["source"][1]),
        )
