"""Cameras that no robot should meet: each on a path of one port, HTTP and RTSP alike, in a process of its own.

with HostileCameras() as cameras:
    cameras.urls        # {"endless head": "http://127.0.0.1:PORT/...", ...}
"""

from __future__ import annotations

import asyncio
import os
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable
from types import TracebackType

import cv2
import numpy as np

Writer = asyncio.StreamWriter
Act = Callable[[Writer], Awaitable[None]]
BLOCK = bytes(1 << 16)
MULTIPART = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=part\r\n\r\n"
MANY = 1 << 40


async def send(writer: Writer, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def forever(writer: Writer, data: bytes, pause_s: float = 0.0) -> None:
    while True:
        await send(writer, data)
        await asyncio.sleep(pause_s)


def part(data: bytes, length: int | None = None, kind: bytes = b"image/jpeg") -> bytes:
    head = b"--part\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(data) if length is None else length)
    return head + data + b"\r\n"


def jpeg(width: int, height: int, *, progressive: bool = False) -> bytes:
    image = np.full((height, width, 3), 90, np.uint8)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)])[1].tobytes())


def claiming(width: int, height: int) -> bytes:
    """A small picture with another size in its header."""
    data = bytearray(jpeg(64, 64))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


SMALL = jpeg(320, 240)
NOISY = bytes(
    cv2.imencode(".jpg", np.random.default_rng(1).integers(0, 255, (240, 320, 3)).astype(np.uint8))[1].tobytes()
)


async def endless_head(writer: Writer) -> None:
    await send(writer, b"HTTP/1.1 200 OK\r\n")
    await forever(writer, b"X-More: " + b"a" * 4000 + b"\r\n")


async def endless_line(writer: Writer) -> None:
    await send(writer, b"HTTP/1.1 200 OK\r\nX-Long: ")
    await forever(writer, b"a" * 65536)


async def always_continue(writer: Writer) -> None:
    await forever(writer, b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


async def redirect(writer: Writer) -> None:
    place = writer.get_extra_info("sockname")[1]
    address = f"http://127.0.0.1:{place}/redirect"
    await send(writer, f"HTTP/1.1 302 Found\r\nLocation: {address}\r\nContent-Length: 0\r\n\r\n".encode())


async def elsewhere(writer: Writer) -> None:
    await send(writer, b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n")


async def one_endless_picture(writer: Writer) -> None:
    await send(writer, MULTIPART + b"--part\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8")
    await forever(writer, BLOCK)


async def lying_length(writer: Writer) -> None:
    await send(writer, MULTIPART + part(b"\xff\xd8", MANY))
    await forever(writer, BLOCK)


async def no_part(writer: Writer) -> None:
    await send(writer, MULTIPART)
    await forever(writer, BLOCK)


async def endless_part_head(writer: Writer) -> None:
    await send(writer, MULTIPART + b"--part\r\n")
    await forever(writer, b"X-More: " + b"a" * 500 + b"\r\n")


async def flood(writer: Writer) -> None:
    await send(writer, MULTIPART)
    await forever(writer, part(SMALL) * 20)


async def gigapixel(writer: Writer) -> None:
    await send(writer, MULTIPART)
    await forever(writer, part(claiming(32768, 32768)), 0.03)


async def large(writer: Writer) -> None:
    await send(writer, MULTIPART)
    await forever(writer, part(LARGE[False]), 0.1)


async def large_in_passes(writer: Writer) -> None:
    await send(writer, MULTIPART)
    await forever(writer, part(LARGE[True]), 0.1)


async def halves(writer: Writer) -> None:
    await send(writer, MULTIPART)
    await forever(writer, part(NOISY[: len(NOISY) // 3] + b"\xff\xd9"), 0.03)


async def page(writer: Writer) -> None:
    await send(writer, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    await forever(writer, b"<p>" * 20000)


async def drop_by_drop(writer: Writer) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=part\r\n\r\n" * 100:
        await send(writer, bytes([byte]))
        await asyncio.sleep(0.5)


async def silence(_: Writer) -> None:
    await asyncio.sleep(3600)


async def garbage(writer: Writer) -> None:
    await forever(writer, os.urandom(1 << 16))


SDP = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\n"
    b"a=rtpmap:96 H264/90000\r\na=control:one\r\n"
)


def answer(number: int, body: bytes = b"", more: str = "", length: int | None = None) -> bytes:
    kind = "Content-Type: application/sdp\r\n" if body else ""
    head = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\n{more}{kind}"
    return f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


async def endless_description(writer: Writer, number: int) -> None:
    await send(writer, answer(number, SDP, length=4_000_000_000))
    await forever(writer, b"a=x:" + b"y" * 1000 + b"\r\n")


async def endless_rtsp_head(writer: Writer, number: int) -> None:
    await send(writer, f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n".encode())
    await forever(writer, b"X-More: " + b"a" * 4000 + b"\r\n")


async def rtsp_redirect(writer: Writer, number: int) -> None:
    port = writer.get_extra_info("sockname")[1]
    place = f"rtsp://127.0.0.1:{port}/rtsp-redirect"
    await send(writer, f"RTSP/1.0 302 Moved\r\nCSeq: {number}\r\nLocation: {place}\r\n\r\n".encode())


def packet(seq: int, time: int, payload: bytes) -> bytes:
    rtp = struct.pack(">BBHII", 0x80, 96, seq & 0xFFFF, time, 7) + payload
    return struct.pack(">BBH", 0x24, 0, len(rtp)) + rtp


async def endless_unit(writer: Writer) -> None:
    """One picture, in packets without end."""
    seq = 0
    while True:
        first = seq == 0
        await send(writer, packet(seq, 0, bytes([0x7C, 0x85 if first else 0x05]) + BLOCK[:60000]))
        seq += 1


class Bits:
    """What a parameter set is written with (H.264, 7.2 and 9.1)."""

    def __init__(self) -> None:
        self.text = ""

    def put(self, value: int, count: int) -> None:
        self.text += f"{value:0{count}b}"

    def golomb(self, value: int) -> None:
        digits = f"{value + 1:b}"
        self.text += "0" * (len(digits) - 1) + digits

    def data(self) -> bytes:
        padded = self.text + "1"
        padded = padded.ljust(-(-len(padded) // 8) * 8, "0")
        return int(padded, 2).to_bytes(len(padded) // 8, "big")


def parameters(width: int, height: int) -> bytes:
    """A sequence parameter set, baseline profile."""
    bits = Bits()
    for value in (66, 0, 62):
        bits.put(value, 8)
    for value in (0, 0, 0, 0, 16):
        bits.golomb(value)
    bits.put(0, 1)
    bits.golomb(width // 16 - 1)
    bits.golomb(height // 16 - 1)
    bits.put(0b1100, 4)
    return b"\x67" + bits.data()


async def huge_parameters(writer: Writer) -> None:
    """Pictures of 16,384 x 16,384."""
    sps, pps = parameters(16384, 16384), b"\x68\xce\x3c\x80"
    seq = 0
    while True:
        for unit in (sps, pps, b"\x65\x88\x84" + os.urandom(1200)):
            await send(writer, packet(seq, 3000 * (seq // 3), unit))
            seq += 1
        await asyncio.sleep(0.02)


HTTP: dict[str, Act] = {
    "endless-head": endless_head,
    "endless-line": endless_line,
    "always-continue": always_continue,
    "redirect": redirect,
    "elsewhere": elsewhere,
    "endless-picture": one_endless_picture,
    "lying-length": lying_length,
    "no-part": no_part,
    "endless-part-head": endless_part_head,
    "flood": flood,
    "gigapixel": gigapixel,
    "large": large,
    "large-in-passes": large_in_passes,
    "halves": halves,
    "page": page,
    "drop-by-drop": drop_by_drop,
    "silence": silence,
    "garbage": garbage,
}
DESCRIBED: dict[str, Callable[[Writer, int], Awaitable[None]]] = {
    "rtsp-endless-description": endless_description,
    "rtsp-endless-head": endless_rtsp_head,
    "rtsp-redirect": rtsp_redirect,
}
PLAYED: dict[str, Act] = {
    "rtsp-endless-unit": endless_unit,
    "rtsp-huge-pictures": huge_parameters,
    "rtsp-garbage": garbage,
}
LARGE: dict[bool, bytes] = {}


async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
    try:
        while True:
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, place, _ = request.split(None, 2)
            name = place.split("?")[0].rstrip("/").split("/")[3 if "://" in place else 1]
            if name in HTTP:
                await HTTP[name](writer)
                return
            await rtsp(writer, method, name, int(request.lower().split("cseq:")[1].split()[0]))
    except (OSError, IndexError, KeyError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


async def rtsp(writer: Writer, method: str, name: str, number: int) -> None:
    if method == "OPTIONS":
        await send(writer, answer(number, more="Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n"))
    elif method == "DESCRIBE":
        await (DESCRIBED[name](writer, number) if name in DESCRIBED else send(writer, answer(number, SDP)))
    elif method == "SETUP":
        await send(writer, answer(number, more="Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"))
    else:
        await send(writer, answer(number))
        if method == "PLAY":
            await PLAYED[name](writer)


class HostileCameras:
    """All of them, until ``with`` ends."""

    def __enter__(self) -> HostileCameras:
        command = [sys.executable, "-m", "tests.sources.hostile"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        port = int(self._process.stdout.readline())
        names = [*HTTP, *DESCRIBED, *PLAYED]
        scheme = {name: "rtsp" if name.startswith("rtsp") else "http" for name in names}
        self.urls = {name: f"{scheme[name]}://127.0.0.1:{port}/{name}" for name in names}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()


async def main() -> None:
    os.nice(15)  # what they do to us is looked at, not what they take from the same processor
    for progressive in (False, True):
        LARGE[progressive] = jpeg(9900, 9900, progressive=progressive)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    # Ends with the test, however that ends.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
