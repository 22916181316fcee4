"""A network that loses packets: an RTSP server's video comes over UDP through a relay, which lets some fall."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import threading
from collections.abc import Callable
from types import TracebackType

PORTS = re.compile(rb"client_port=(\d+)-(\d+)")


def _offering(data: bytes) -> bytes:
    """GStreamer's server makes a key frame when it is asked, but does not say so, as cameras do."""
    offered = re.sub(rb"(a=rtpmap:(\d+) H264/90000\r\n)", rb"\1a=rtcp-fb:\2 nack pli\r\n", data)
    more = len(offered) - len(data)
    return re.sub(rb"Content-Length: (\d+)", lambda found: b"Content-Length: %d" % (int(found[1]) + more), offered)


class LossyRelay:
    """Forwards RTSP at ``port`` to ``target``, and loses ``share`` of the packets of the pictures."""

    def __init__(self, target: int, share: float, *, seed: int = 1) -> None:
        self.share, self.lost, self.sent = share, 0, 0
        self._random, self._target = random.Random(seed), target
        self._asked = b""
        self._ends: list[socket.socket] = []
        listener = self._kept(socket.create_server(("127.0.0.1", 0)))
        self.port: int = listener.getsockname()[1]
        self._run(self._accept, listener)

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=target, args=arguments, daemon=True).start()

    def _kept(self, end: socket.socket) -> socket.socket:
        self._ends.append(end)
        return end

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = self._kept(listener.accept()[0])
                far = self._kept(socket.create_connection(("127.0.0.1", self._target)))
                self._run(self._pump, near, far, self._to_ours)
                self._run(self._pump, far, near, lambda _: self._asked, True)

    def _pump(
        self, source: socket.socket, target: socket.socket, swap: Callable[[re.Match[bytes]], bytes], down: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(PORTS.sub(swap, _offering(data) if down else data))
            target.shutdown(socket.SHUT_WR)

    def _to_ours(self, asked: re.Match[bytes]) -> bytes:
        """The server shall send to our ports instead of the client's."""
        self._asked, ours = asked[0], []
        for index in (1, 2):
            end = self._kept(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            end.bind(("127.0.0.1", 0))
            ours.append(end.getsockname()[1])
            self._run(self._forward, end, int(asked[index]), index == 1)
        return b"client_port=%d-%d" % tuple(ours)

    def _forward(self, end: socket.socket, port: int, pictures: bool) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = end.recv(1 << 16)
                self.sent += pictures
                if pictures and self._random.random() < self.share:
                    self.lost += 1
                else:
                    end.sendto(data, ("127.0.0.1", port))

    def __enter__(self) -> LossyRelay:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for end in self._ends:
            end.close()
