"""Makes the processes that read cameras: one small process, which has loaded what they all need, forks them.

    service ── nursery ─┬─ camera front
                        └─ camera rear

A camera's process costs what it writes, not what it loads. It ends when the service does, or the nursery, or when it is
told; a dead one stays known to the kernel until ``end``, so that nobody else gets its number.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from edge_segnet.core.errors import InputError, SourceLost, first_line
from edge_segnet.sources.wire import receive, send

ANSWER_S: Final = 10.0
"""For a fork, which takes milliseconds: a process that needs longer hangs."""
PATIENCE_S: Final = 2.0
"""For what cameras need to be loaded, before whoever waits is told to come again; shorter than an open may take."""
LOAD_S: Final = 180.0
"""A slow board that starts, from a cold disk, with everything else. One that was ended earlier would never be ready."""
LOOK_S: Final = 0.05
REAP_S: Final = 0.5
"""A killed process ends in milliseconds, unless the kernel holds it."""
IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""systemd and a terminal send these to everyone; when to end is the service's word."""
ENVIRONMENT: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    # FFmpeg's warnings tell of lost packets. OpenCV reads this once: it must be there from the beginning.
    "OPENCV_FFMPEG_LOGLEVEL": "24",
}


class Nursery:
    """The service's end. One for the process, started when it is first needed, and again if it died."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", "edge_segnet.sources.nursery")) -> None:
        """``command``: the program that takes the number of its socket."""
        self._command = command
        self._lock = threading.Lock()
        """Guards the socket: an order and its answer belong together."""
        self._loaded, self._launched_s = False, 0.0
        self._fault = ""
        """Why the last one never was ready; a slow machine sees no end of loading otherwise."""
        self._process: subprocess.Popen[bytes] | None = None
        self._end: socket.socket | None = None

    def begin(self) -> None:
        """Have it load what cameras need, before the first one comes; waits for nothing."""
        with self._lock, contextlib.suppress(OSError):  # ``start`` tells
            if self._end is None:
                self._launch()

    def start(self, order: dict[str, Any], descriptors: list[int]) -> int:
        """Fork a camera's process; its number.

        Raises:
            SourceLost: it can't be made now, or not yet.
        """
        deadline, reason = time.monotonic() + PATIENCE_S, ""
        for _ in range(2):
            try:
                while not self._ready():
                    if time.monotonic() > deadline:
                        raise self._not_yet()
                with self._lock:
                    return int(self._ask(order, descriptors)["pid"])
            except (OSError, EOFError, KeyError) as error:
                reason = str(error)
                with self._lock:
                    self._drop()
        if self._fault:
            raise self._not_yet()
        raise SourceLost(f"no process for the camera ({reason})", hint="is there memory left?")

    def _not_yet(self) -> SourceLost:
        if self._fault:
            return SourceLost(f"what reads cameras can't be loaded ({self._fault})", hint="it is tried again")
        return SourceLost("what reads cameras is still being loaded", hint="a slow disk, a busy board")

    def _ready(self) -> bool:
        """Whether it has loaded all; looks for a moment, so that many may ask in turn. Raises OSError, EOFError."""
        with self._lock:
            if self._end is None:
                self._launch()
            if self._loaded or self._end is None:
                return self._loaded
            poll = select.poll()
            poll.register(self._end, select.POLLIN)
            if poll.poll(1e3 * LOOK_S):
                told, _ = receive(self._end)
                if told is None or "fault" in told:
                    self._fault = "the process that makes them ended" if told is None else str(told["fault"])
                    raise EOFError(self._fault)
                self._loaded, self._fault = True, ""
            elif time.monotonic() - self._launched_s > LOAD_S:
                self._fault = f"it takes more than {LOAD_S:g} s"
                raise TimeoutError(self._fault)
            return self._loaded

    def end(self, pid: int) -> int | None:
        """Kill a camera's process, and forget it; how it ended (as ``Popen.returncode``), None: that is not known."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
        with self._lock:
            if not self._loaded:
                return None  # another one is on its way, and knows nothing of that process
            try:
                status: int | None = self._ask({"end": pid}, []).get("status")
            except (OSError, EOFError):
                self._drop()
                return None
            return status

    def _ask(self, order: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        if self._end is None or not self._loaded:
            raise EOFError("the process that makes them is not there")
        send(self._end, order, descriptors)
        answer, _ = receive(self._end)
        if answer is None:
            raise EOFError("the process that makes them ended")
        return answer

    def _launch(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(ANSWER_S)
        with theirs:
            self._process = subprocess.Popen(
                [*self._command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Decoders' chatter names addresses with their passwords.
                stderr=subprocess.DEVNULL,
                env=os.environ | ENVIRONMENT,
            )
        self._end, self._loaded, self._launched_s = ours, False, time.monotonic()

    def close(self) -> None:
        """End it, and with it all cameras' processes."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._end is not None:
            self._end.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._end = self._process = None


nursery: Final = Nursery()
atexit.register(nursery.close)


def main(descriptor: int) -> None:
    """Fork on demand, until the service is gone. One thread only: that is what makes forking safe."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    end = socket.socket(fileno=descriptor)
    end.set_inheritable(False)
    try:
        _load()
    except Exception as error:
        send(end, {"fault": f"{type(error).__name__}: {first_line(error)}"})
        raise
    send(end, {"loaded": True})
    ending: set[int] = set()
    while True:
        order, descriptors = receive(end)
        if order is None:
            return
        ending = {pid for pid in ending if not _reaped(pid)[0]}
        if "end" in order:
            done, status = _wait(order["end"])
            ending |= set() if done else {order["end"]}
            send(end, {"status": status})
            continue
        pid = os.fork()
        if pid == 0:
            end.close()
            _be_a_camera(order, descriptors)
        for one in descriptors:
            os.close(one)
        send(end, {"pid": pid})


def _load() -> None:
    """What cameras need, before there are any: they share it."""
    from edge_segnet.sources import child_camera, gst, gstreamer, mjpeg, opencv_camera  # noqa: F401 - for those who come

    with contextlib.suppress(InputError):
        gst.load()
    # A collection would write to all that is shared, and make it one's own.
    gc.collect()
    gc.freeze()


def _be_a_camera(order: dict[str, Any], descriptors: list[int]) -> None:
    from edge_segnet.sources import child_camera

    try:
        child_camera.main(order, socket.socket(fileno=descriptors[0]), descriptors[1])
    finally:
        os._exit(1)


def _reaped(pid: int) -> tuple[bool, int | None]:
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return True, None
    return found != 0, os.waitstatus_to_exitcode(status) if found else None


def _wait(pid: int) -> tuple[bool, int | None]:
    """A process that hangs inside the kernel is collected when that lets it go."""
    deadline = time.monotonic() + REAP_S
    while not (found := _reaped(pid))[0] and time.monotonic() < deadline:
        time.sleep(0.002)
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]))
