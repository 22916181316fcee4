"""A USB camera without a USB camera, for a machine that has Linux and Python alone: a UVC device that speaks USB/IP to
the machine's own ``vhci_hcd``, so that the kernel's real ``uvcvideo`` drives it. To end it is to pull the plug.

    python3 usb_camera.py FOLDER [SERIAL] [PORT]

FOLDER has ``WIDTHxHEIGHT-N.jpg`` and ``WIDTHxHEIGHT-N.yuv`` (YUYV); /run/usb-SERIAL says how it is: ok, stall (sends
nothing more), freeze (one picture for ever), cut (a third of each JPEG), black. Sources: USB 2.0 chapter 9, UVC 1.0
(classes 3.7 and 4.3), the kernel's Documentation/usb/usbip_protocol.rst.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

PAYLOAD = 16384
"""Bytes of one transfer, with its head of two."""
SECOND = 10_000_000
"""UVC counts in 100 ns."""
VIDEO, CONTROL, STREAMING = 0x0E, 1, 2
"""USB's class of video, and its subclasses."""
CS_INTERFACE = 0x24
YUY2 = bytes.fromhex("5955593200001000800000aa00389b71")
SUBMIT, UNLINK, DONE, UNLINKED = 1, 2, 3, 4
STALL, GONE = -32, -104
"""EPIPE and ECONNRESET, as USB/IP tells them."""
HIGH_SPEED = 3


@dataclass(frozen=True)
class Mode:
    width: int
    height: int
    rates: tuple[int, ...]


RAW = (Mode(320, 240, (30, 15)), Mode(640, 480, (30, 15, 5)), Mode(1280, 720, (10, 5)))
JPEG = (Mode(640, 480, (30, 15, 5)), Mode(1280, 720, (30, 15)))


def block(*content: bytes | int) -> bytes:
    """A descriptor: its own length first."""
    body = b"".join(bytes([one]) if isinstance(one, int) else one for one in content)
    return bytes([len(body) + 1]) + body


def number(size: int, value: int) -> bytes:
    return value.to_bytes(size, "little")


def frame_descriptor(kind: int, index: int, mode: Mode) -> bytes:
    bits = mode.width * mode.height * 16
    spans = [number(4, SECOND // rate) for rate in mode.rates]
    sizes = number(2, mode.width) + number(2, mode.height)
    flow = number(4, bits * mode.rates[-1]) + number(4, bits * mode.rates[0]) + number(4, bits // 8)
    return block(CS_INTERFACE, kind, index, 0, sizes, flow, spans[0], len(spans), *spans)


def formats() -> bytes:
    colours = block(CS_INTERFACE, 0x0D, 1, 1, 4)
    raw = block(CS_INTERFACE, 4, 1, len(RAW), YUY2, 16, 1, 0, 0, 0, 0)
    raw += b"".join(frame_descriptor(5, index + 1, mode) for index, mode in enumerate(RAW)) + colours
    packed = block(CS_INTERFACE, 6, 2, len(JPEG), 1, 1, 0, 0, 0, 0)
    packed += b"".join(frame_descriptor(7, index + 1, mode) for index, mode in enumerate(JPEG)) + colours
    return raw + packed


def configuration() -> bytes:
    """Two interfaces, one to control and one to stream, and a pipe for the pictures."""
    units = block(CS_INTERFACE, 2, 1, number(2, 0x201), bytes(2), bytes(6), 3, bytes(3))
    units += block(CS_INTERFACE, 3, 2, number(2, 0x101), 0, 1, 0)
    head = block(CS_INTERFACE, 1, number(2, 0x100), number(2, 13 + len(units)), number(4, 48_000_000), 1, 1)
    known = formats()
    stream = block(CS_INTERFACE, 1, 2, number(2, 15 + len(known)), 0x81, 0, 2, 0, 0, 0, 1, 0, 0) + known
    body = block(11, 0, 2, VIDEO, 3, 0, 2)  # both interfaces are one function
    body += block(4, 0, 0, 0, VIDEO, CONTROL, 0, 2) + head + units
    body += block(4, 1, 0, 1, VIDEO, STREAMING, 0, 0) + stream + block(5, 0x81, 2, number(2, 512), 0)
    return bytes([9, 2]) + number(2, 9 + len(body)) + bytes([2, 1, 0, 0x80, 250]) + body


@dataclass
class Camera:
    """What the host may ask it, and what it is set to."""

    folder: Path
    serial: str
    raw: bool = True
    index: int = 1
    span: int = SECOND // 30
    strings: dict[int, bytes] = field(init=False)

    def __post_init__(self) -> None:
        def text(words: str) -> bytes:
            return block(3, words.encode("utf-16-le"))

        self.strings = {0: block(3, number(2, 0x409)), 1: text("Acme"), 2: text("Test Camera"), 3: text(self.serial)}

    @property
    def mode(self) -> Mode:
        modes = RAW if self.raw else JPEG
        return modes[min(self.index, len(modes)) - 1]

    @property
    def mood(self) -> str:
        try:
            return Path(f"/run/usb-{self.serial}").read_text().strip()
        except OSError:
            return "ok"

    def answer(self, setup: bytes, data: bytes) -> bytes | None:
        """A control transfer; None: it can't do that."""
        to, request, value, index, length = struct.unpack("<BBHHH", setup)
        if to == 0x80 and request == 6:
            device = block(
                1, number(2, 0x200), 0xEF, 2, 1, 64, number(2, 0x1209), number(2, 1), number(2, 0x100), 1, 2, 3, 1
            )
            known = {1: device, 2: configuration(), 3: self.strings.get(value & 255)}.get(value >> 8)
            return None if known is None else known[:length]
        if to == 0x80 and request == 0:
            return bytes(2)
        if to == 0xA1 and index & 255 == 1 and value >> 8 in (1, 2):
            told = {0x85: number(2, 26), 0x86: b"\3"}.get(
                request, self._settings() if request in (0x81, 0x82, 0x83, 0x87) else None
            )
            return None if told is None else told[:length]
        if to == 0x21 and request == 1 and index & 255 == 1:
            self._set(data)
            return b""
        return b"" if to in (0, 1, 2) else None

    def _settings(self) -> bytes:
        size = self.mode.width * self.mode.height * 2
        return (
            number(2, 1)
            + bytes([1 if self.raw else 2, self.index])
            + number(4, self.span)
            + bytes(10)
            + number(4, size)
            + number(4, PAYLOAD)
        )

    def _set(self, data: bytes) -> None:
        """A wish (UVC 1.0, 4.3.1.1); the nearest that there is."""
        self.raw, self.index = data[2] != 2, max(1, data[3])
        self.index = min(self.index, len(RAW if self.raw else JPEG))
        asked = int.from_bytes(data[4:8], "little") or SECOND // 30
        self.span = min((SECOND // rate for rate in self.mode.rates), key=lambda span: abs(span - asked))

    def picture(self, count: int) -> bytes:
        mode, mood = self.mode, self.mood
        files = sorted(self.folder.glob(f"{mode.width}x{mode.height}-*.{'yuv' if self.raw else 'jpg'}"))
        if mood == "black":
            files = sorted(self.folder.glob(f"black-{mode.width}x{mode.height}.{'yuv' if self.raw else 'jpg'}"))
        data = files[0 if mood == "freeze" else count % len(files)].read_bytes()
        return data[: len(data) // 3] if mood == "cut" and not self.raw else data


class Plug:
    """The wire: transfers that the host asks for, and their ends."""

    def __init__(self, camera: Camera, port: int) -> None:
        self._camera = camera
        self._waiting: deque[int] = deque()
        """Transfers of pictures that the host has room for, by their numbers."""
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        with socket.create_server(("127.0.0.1", 0)) as server:
            kernels = socket.create_connection(server.getsockname())
            self._line, _ = server.accept()
        for end in (kernels, self._line):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        order = f"{port} {kernels.fileno()} {65536 + port + 2} {HIGH_SPEED}"
        Path("/sys/devices/platform/vhci_hcd.0/attach").write_text(order)
        kernels.close()

    def serve(self) -> None:
        """Until the host is gone."""
        threading.Thread(target=self._stream, daemon=True).start()
        while True:
            command, seq, _, direction, endpoint = struct.unpack(">5I", self._take(20))
            rest = self._take(28)
            if command == UNLINK:
                self._unlink(seq, struct.unpack(">I", rest[:4])[0])
                continue
            length = struct.unpack(">I", rest[4:8])[0]
            data = self._take(length) if direction == 0 else b""
            if endpoint == 0:
                answer = self._camera.answer(rest[20:28], data)
                self._end(seq, STALL if answer is None else 0, answer or b"", len(data))
            else:
                with self._changed:
                    self._waiting.append(seq)
                    self._changed.notify_all()

    def _unlink(self, seq: int, victim: int) -> None:
        with self._changed:
            found = victim in self._waiting
            if found:
                self._waiting.remove(victim)
        with self._sending:
            self._line.sendall(struct.pack(">IIIIIi24x", UNLINKED, seq, 0, 0, 0, GONE if found else 0))

    def _end(self, seq: int, status: int, data: bytes, taken: int = 0) -> None:
        head = struct.pack(">IIIIIiiiii8x", DONE, seq, 0, 0, 0, status, len(data) or taken, 0, 0, 0)
        with self._sending:
            self._line.sendall(head + data)

    def _stream(self) -> None:
        """Pictures, for as long as the host has room for them."""
        count = toggle = 0
        due = time.monotonic()
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
            if self._camera.mood == "stall":
                time.sleep(0.05)
                continue
            data, now = self._camera.picture(count), time.monotonic()
            due = max(due + self._camera.span / SECOND, now - 0.2)
            time.sleep(max(0.0, due - now))
            count, toggle = count + 1, toggle ^ 1
            self._send(data, toggle)

    def _send(self, data: bytes, toggle: int) -> None:
        step = PAYLOAD - 2
        for at in range(0, len(data), step):
            with self._changed:
                if not self._changed.wait_for(lambda: self._waiting, 2.0):
                    return  # the host has stopped
                seq = self._waiting.popleft()
            last = at + step >= len(data)
            self._end(seq, 0, bytes([2, 0x80 | toggle | (2 if last else 0)]) + data[at : at + step])

    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            if not (more := self._line.recv(count - len(data))):
                raise SystemExit("unplugged by the other side")
            data += more
        return data


def main(folder: str, serial: str = "1234", port: str = "0") -> None:
    Plug(Camera(Path(folder), serial), int(port)).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
