"""Who watches an RTSP stream, for tests: a real player, and one who asks for the stream and then never reads."""

from __future__ import annotations

import re
import socket
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import gi
import numpy as np
from numpy.typing import NDArray

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402 - the version is chosen first

Gst.init(None)


class Viewer:
    """Decodes the stream; the newest picture waits."""

    def __init__(self, url: str, password: str = "", user: str = "edge-segnet") -> None:
        self._pipeline = Gst.parse_launch(
            "rtspsrc name=source protocols=tcp latency=0 ! rtph264depay ! avdec_h264 ! videoconvert ! "
            "video/x-raw,format=BGR ! appsink name=sink sync=false max-buffers=1 drop=true"
        )
        source = self._pipeline.get_by_name("source")
        source.set_property("location", url)
        if password:
            source.set_property("user-id", user)
            source.set_property("user-pw", password)
        self._sink = self._pipeline.get_by_name("sink")
        self._pipeline.set_state(Gst.State.PLAYING)

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pipeline.set_state(Gst.State.NULL)

    def picture(self, timeout_s: float = 20.0) -> NDArray[np.uint8] | None:
        """The next picture, uint8 [H,W,3] BGR; None when none came."""
        sample: Any = self._sink.emit("try-pull-sample", int(timeout_s * Gst.SECOND))
        if sample is None:
            return None
        shape = sample.get_caps().get_structure(0)
        width, height, buffer = shape.get_value("width"), shape.get_value("height"), sample.get_buffer()
        rows = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8).reshape(height, -1)
        return np.ascontiguousarray(rows[:, : width * 3]).reshape(height, width, 3)

    def size(self) -> tuple[int, ...]:
        """(width, height) of the next picture; empty when none came."""
        picture = self.picture()
        return () if picture is None else picture.shape[1::-1]

    def problem(self, timeout_s: float = 20.0) -> str:
        """What GStreamer says when there is no stream."""
        message = self._pipeline.get_bus().timed_pop_filtered(int(timeout_s * Gst.SECOND), Gst.MessageType.ERROR)
        return "" if message is None else " ".join(map(str, message.parse_error()))


class Stuck:
    """Plays over TCP with the smallest window there is, and never reads."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url, self._number, self._session = url, 0, ""
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.socket.settimeout(20)
        self.socket.connect((parts.hostname, parts.port))

    def __enter__(self) -> Stuck:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def play(self) -> None:
        """From here on the server sends and nobody takes."""
        described = self.ask("DESCRIBE", self._url, "Accept: application/sdp")
        found = re.findall(r"a=control:(\S+)", described)
        control = found[-1] if found[-1].startswith("rtsp:") else f"{self._url}/{found[-1]}"
        answer = self.ask("SETUP", control, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        session = re.search(r"Session: ([^;\r]+)", answer)
        assert session is not None, answer
        self._session = f"Session: {session[1]}"
        self._send("PLAY", self._url, self._session)

    def _send(self, method: str, url: str, *headers: str) -> None:
        self._number += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._number}", *headers]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def ask(self, method: str, url: str, *headers: str) -> str:
        """The answer to a request, head and body."""
        self._send(method, url, *headers)
        text = ""
        while "\r\n\r\n" not in text:
            text += self.socket.recv(4096).decode()
        head, _, body = text.partition("\r\n\r\n")
        length = re.search(r"Content-Length: (\d+)", head)
        while length is not None and len(body) < int(length[1]):
            body += self.socket.recv(4096).decode()
        return head + "\r\n\r\n" + body
