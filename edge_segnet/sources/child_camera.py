"""The process in which OpenCV reads a camera or a stream (its other end: ``child``).

Orders come as JSON lines on standard input; messages go to standard output: a header, facts as JSON, pixels. It ends
when its input does, whatever it hangs in: nobody is left to read it.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import threading
import time
from enum import IntEnum
from typing import Any, Final
from urllib.parse import quote

import cv2
import numpy as np

from edge_segnet.core import uris
from edge_segnet.core.errors import InputError, SourceLost
from edge_segnet.core.types import Image
from edge_segnet.core.uris import SourceUri
from edge_segnet.pictures.shape import fit_image, flip_image
from edge_segnet.sources.reach import why_unreachable
from edge_segnet.sources.usb import open_usb

HEADER: Final = struct.Struct("<BII")
"""Kind, bytes of the facts, bytes of the pixels."""
CONNECT_MS: Final = 2000
READ_MS: Final = 5000
PLAUSIBLE_NS: Final = 2_000_000_000


class Kind(IntEnum):
    """What a message tells."""

    FRAME = 0
    LOST = 1
    UNUSABLE = 2


class _Mailbox:
    """One place for the newest frame; a thread sends what lies there, as fast as the other process reads."""

    def __init__(self, out: int) -> None:
        self._out = out
        self._change = threading.Condition()
        self._sending = threading.Lock()
        self._waiting: tuple[dict[str, Any], Image] | None = None
        threading.Thread(target=self._deliver, daemon=True).start()

    def put(self, facts: dict[str, Any], image: Image) -> None:
        with self._change:
            self._waiting = facts, image
            self._change.notify()

    def send(self, kind: Kind, facts: dict[str, Any], pixels: bytes = b"") -> None:
        text = json.dumps(facts).encode()
        data = memoryview(HEADER.pack(kind, len(text), len(pixels)) + text + pixels)
        with self._sending:
            while data:
                data = data[os.write(self._out, data) :]

    def _deliver(self) -> None:
        while True:
            with self._change:
                while self._waiting is None:
                    self._change.wait()
                (facts, image), self._waiting = self._waiting, None
            try:
                self.send(Kind.FRAME, facts, image.tobytes())
            except BrokenPipeError:
                os._exit(0)


class _Orders:
    """What the other process wants, the latest."""

    def __init__(self) -> None:
        first = json.loads(sys.stdin.buffer.readline())
        self.source = uris.parse(first["uri"])
        self.fit, self.flip = first["fit"], first["flip"]
        self.size: tuple[int, int] = (first["size"][0], first["size"][1])
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while line := sys.stdin.buffer.readline():
            width, height = json.loads(line)["size"]
            self.size = width, height
        os._exit(0)


def _open(source: SourceUri) -> cv2.VideoCapture:
    if source.kind == "v4l2":
        return open_usb(source)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, CONNECT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_MS]
    capture = cv2.VideoCapture(_address(source), cv2.CAP_FFMPEG, limits)
    if not capture.isOpened():
        # OpenCV does not tell.
        why = why_unreachable(source) or "it answers, but gives no video"
        raise InputError(f"{source.shown}: {why}", hint="are address, user and password right, and is it on?")
    return capture


def _address(source: SourceUri) -> str:
    if source.user is None:
        return source.url
    credentials = quote(source.user, safe="") + (f":{quote(source.password, safe='')}" if source.password else "")
    scheme, _, rest = source.url.partition("://")
    return f"{scheme}://{credentials}@{rest}"


def _captured_ns(capture: cv2.VideoCapture, kind: str) -> int:
    """When the frame was captured, on the monotonic clock: by the driver's own stamp, or now."""
    now_ns = time.monotonic_ns()
    if kind != "v4l2":
        return now_ns
    stamp_ns = int(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
    return stamp_ns if 0 <= now_ns - stamp_ns < PLAUSIBLE_NS else now_ns


def _watch(orders: _Orders, mailbox: _Mailbox) -> None:
    """Read until the camera gives no more; raises InputError, SourceLost."""
    source, seq = orders.source, 0
    capture = _open(source)
    while capture.grab():
        captured_ns = _captured_ns(capture, source.kind)
        good, picture = capture.retrieve()
        if not good:
            break
        turned = flip_image(np.asarray(picture, np.uint8), orders.flip)
        size = orders.size
        facts = {"seq": seq, "captured_ns": captured_ns, "source": turned.shape[1::-1], "size": size}
        mailbox.put(facts, fit_image(turned, size, orders.fit))
        seq += 1
    raise SourceLost(f"{source.shown}: no more frames", hint="is it still there?")


def main() -> None:
    """Run until the camera or the other process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # for the flight recorder; "systemctl kill" sends it to everyone
    # Whatever a library prints must not come between the frames.
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    mailbox = _Mailbox(out)
    try:
        _watch(_Orders(), mailbox)
    except InputError as error:
        kind = Kind.LOST if isinstance(error, SourceLost) else Kind.UNUSABLE
        mailbox.send(kind, {"message": error.message, "hint": error.hint})


if __name__ == "__main__":
    main()
