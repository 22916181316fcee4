"""Brokers that speak MQTT 3.1.1 only: a real one, and what others do when MQTT 5 comes."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

import pytest

from tests.sinks.mqtt.hostile import Hostile
from tests.sinks.mqtt.mosquitto import free_port
from tests.support.waiting import wait_until

VERSION: Final = 8
"""Place of the protocol's version in CONNECT: after two bytes of header, the name "MQTT" and its length."""
WELCOME: Final = bytes([0x20, 2, 0, 0])
UNKNOWN_VERSION: Final = bytes([0x20, 2, 0, 1])
_AMQTT: Final = """
import asyncio, sys
from amqtt.broker import Broker
async def main():
    listener = {"default": {"type": "tcp", "bind": "127.0.0.1:" + sys.argv[1]}}
    allow = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    await Broker({"listeners": listener, "plugins": allow}).start()
    await asyncio.Event().wait()
asyncio.run(main())
"""


def _answering(to_new: Callable[[socket.socket, threading.Event], None]) -> Callable[..., None]:
    def deed(client: socket.socket, ended: threading.Event) -> None:
        packet = client.recv(4096)
        if packet[VERSION] == 4:
            client.sendall(WELCOME)
            ended.wait(5)
        else:
            to_new(client, ended)

    return deed


def _closes(_client: socket.socket, _ended: threading.Event) -> None:
    pass


def _hangs(_client: socket.socket, ended: threading.Event) -> None:
    ended.wait()


def _says_so(client: socket.socket, _ended: threading.Event) -> None:
    client.sendall(UNKNOWN_VERSION)


DEEDS: Final[Mapping[str, Callable[..., None]]] = {
    "closes": _answering(_closes),
    "hangs": _answering(_hangs),
    "says so": _answering(_says_so),
}


@contextmanager
def amqtt() -> Iterator[int]:
    """aMQTT, which speaks 3.1.1 only; its port."""
    if find_spec("amqtt") is None:
        pytest.skip("amqtt is not installed: pip install amqtt")
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", _AMQTT, str(port)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port))
        yield port
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def older(how: str) -> Iterator[int]:
    """One of ``DEEDS``, or "amqtt"; the port."""
    if how == "amqtt":
        with amqtt() as port:
            yield port
    else:
        with Hostile(DEEDS[how]) as broker:
            yield broker.port
