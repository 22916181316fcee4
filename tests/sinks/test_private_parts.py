"""What we lean on inside uvicorn and paho, which neither promises: the day it moves, this fails and names it. The upper
bounds in pyproject.toml keep a newer release away from users until it has passed here.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h11
import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from edge_segnet.sinks.http.connection import Connection

OURS = Path(__file__).parents[2] / "edge_segnet" / "sinks"


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


async def _app(_scope: Any, _receive: Any, _send: Any) -> None:
    """Never called."""


def test_uvicorns_protocol_is_made_as_we_make_it() -> None:
    assert parameters(H11Protocol.__init__)[:4] == ["self", "config", "server_state", "app_state"]

    async def made() -> Any:  # its types say more than is so before a connection
        config = uvicorn.Config(_app, interface="asgi3", lifespan="off", ws="none", http="h11", log_config=None)
        return H11Protocol(config, ServerState(), {"connection": 1}, asyncio.get_running_loop())

    with ThreadPoolExecutor(1) as pool:  # this thread may have a loop of its own: the browser's, in a whole run
        protocol = pool.submit(asyncio.run, made()).result()
    assert protocol.app_state == {"connection": 1} and protocol.transport is None and protocol.cycle is None
    assert isinstance(protocol.conn, h11.Connection) and protocol.conn.trailing_data[0] == b""
    assert hasattr(protocol, "flow") and hasattr(protocol, "loop")


@pytest.mark.parametrize("name", [name for name, kind in vars(Connection).items() if inspect.isfunction(kind)])
def test_what_we_override_of_uvicorns_protocol_is_there_with_the_same_arguments(name: str) -> None:
    own = {"drained", "overdue", "cut", "_received_late", "__init__"}
    if name in own:
        assert name == "__init__" or not hasattr(H11Protocol, name), "uvicorn has got one of that name, too"
        return
    theirs, ours = getattr(H11Protocol, name), getattr(Connection, name)
    assert len(parameters(theirs)) == len(parameters(ours))


def test_an_answer_under_way_can_be_told_and_dropped() -> None:
    source = inspect.getsource(RequestResponseCycle.__init__)
    for attribute in ("disconnected", "response_started", "response_complete"):
        assert f"self.{attribute} = False" in source
    assert inspect.iscoroutinefunction(FlowControl.drain)
    for name in ("pause_writing", "resume_writing"):
        assert callable(getattr(H11Protocol, name))


def test_pahos_packets_and_messages_lie_where_we_read_them() -> None:
    client_module = pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed")
    from paho.mqtt.enums import CallbackAPIVersion, MessageState

    client = client_module.Client(CallbackAPIVersion.VERSION2, "contract", protocol=client_module.MQTTv5)
    assert dict(client._out_messages) == {}
    assert {"packet", "remaining_length"} <= set(client._in_packet)
    assert bytes(client._in_packet["packet"]) == b"" and int(client._in_packet["remaining_length"]) == 0
    assert parameters(client_module.Client._handle_pubrec) == ["self"]
    assert "MQTTMessageInfo" in vars(client_module) and hasattr(client_module.MQTTMessage(), "state")
    used = set(re.findall(r"MessageState\.(\w+)", (OURS / "mqtt" / "protocol.py").read_text(encoding="utf-8")))
    assert used and used <= set(MessageState.__members__)


def test_no_other_private_part_is_touched() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (OURS / "mqtt").glob("*.py"))
    client = set(re.findall(r"(?:client|_client)\._(\w+)", text))
    inherited = set(re.findall(r"(?:self|super\(\))\._(in_packet|out_messages|handle_pubrec|\w*mid\w*_)\b", text))
    assert client == set() and inherited == {"in_packet", "out_messages", "handle_pubrec"}


@pytest.mark.parametrize("package", ["uvicorn", "paho-mqtt"])
def test_what_is_installed_is_within_the_bounds(package: str) -> None:
    wanted = set(
        re.findall(rf'"({package}>=[^";]*)"', (OURS.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    )
    assert len(wanted) == 1, "the same everywhere"
    bounds = re.fullmatch(rf"{package}>=([\d.]+),<([\d.]+)", wanted.pop())
    assert bounds is not None, "it has no upper bound"
    assert numbers(bounds[1]) <= numbers(version(package)) < numbers(bounds[2])


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))
