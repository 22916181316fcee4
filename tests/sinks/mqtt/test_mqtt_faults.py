"""Brokers that are away, frozen, locked or hostile: the loop does not notice, and the sink says what is wrong."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from edge_segnet.core.errors import SettingsError
from edge_segnet.core.extras import command
from edge_segnet.core.types import Result
from edge_segnet.sinks.fanout import Fanout
from edge_segnet.sinks.mqtt.protocol import CLOSED_OFTEN
from edge_segnet.sinks.mqtt.question import try_connect
from edge_segnet.sinks.mqtt.sink import MqttSink
from tests.sinks.mqtt import older
from tests.sinks.mqtt.hostile import CONNACK, DEEDS, Hostile
from tests.sinks.mqtt.mosquitto import Mosquitto, free_port
from tests.sinks.mqtt.receiver import Receiver
from tests.sinks.mqtt.stage import config, connected, happen, sending
from tests.support.programs import needed
from tests.support.service import StreetService, renumbered
from tests.support.waiting import wait_until


def test_a_broker_that_comes_later(folder: Path, service: StreetService) -> None:
    broker = Mosquitto(folder)
    with sending(service, broker.port) as sink:
        wait_until(lambda: sink.status()["error"] == "Connection refused")
        assert sink.status()["state"] == "disconnected"
        with broker:
            wait_until(lambda: connected(sink))
            assert sink.status()["error"] is None


@pytest.mark.alone
def test_a_name_that_nobody_knows(service: StreetService) -> None:
    sink = MqttSink(config(1, url="mqtt://broker.invalid"), service)
    sink.start()
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < 1.5


def test_a_wrong_password(folder: Path, service: StreetService, tmp_path: Path) -> None:
    needed("mosquitto_passwd")
    passwords, secret = folder / "passwords", tmp_path / "password"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(passwords), "robot", "right"], check=True, capture_output=True)
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    login = {"user": "robot", "password_file": secret}
    with Mosquitto(folder, f"password_file {passwords}", anonymous=False) as broker:
        with sending(service, broker.port, **login) as sink:
            wait_until(lambda: sink.status()["state"] == "refused")
            assert sink.status()["error"] == "the broker refuses: not authorized"
            happen(service.events, 0)
            assert sink.status()["queue"] == 1
        secret.write_text("right\n")
        receiver = Receiver(broker.port, user="robot", password="right")
        with receiver, sending(service, broker.port, **login) as sink:
            wait_until(lambda: connected(sink) and receiver.events() == [0])
        with sending(service, broker.port) as sink:
            wait_until(lambda: sink.status()["error"] == "the broker refuses: not authorized")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a broker and a client that it vouches for; another authority."""
    needed("openssl")
    folder = tmp_path_factory.mktemp("certificates")
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]

    def run(*command: str) -> None:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    for name in ("ca", "other"):
        run(*new, "-x509", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("broker", "client"):
        run(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ["openssl", "x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
        run(*signed, "-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", "names")
    return folder


# paho leaves a socket whose handshake failed to Python, which closes it at once but says so.
@pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_tls_with_a_client_certificate(folder: Path, service: StreetService, certificates: Path) -> None:
    lines = [f"{key} {certificates / name}" for key, name in (("cafile", "ca.pem"), ("certfile", "broker.pem"))]
    lines += [f"keyfile {certificates / 'broker.key'}", "require_certificate true", "use_identity_as_username true"]
    own = {"certificate": certificates / "client.pem", "key": certificates / "client.key"}
    with Mosquitto(folder, *lines) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        with sending(service, broker.port, url=url, tls={"ca": certificates / "ca.pem", **own}) as sink:
            happen(service.events, *range(40))
            wait_until(lambda: connected(sink) and sink.status()["sent"]["event"] == 40)
            assert sink.status()["url"] == url
        with sending(service, broker.port, url=url, tls={"ca": certificates / "other.pem", **own}) as sink:
            wait_until(lambda: sink.status()["error"])
            assert "certificate is not trusted" in str(sink.status()["error"])
        with sending(service, broker.port, url=url, tls={"ca": certificates / "ca.pem"}) as sink:
            wait_until(lambda: sink.status()["error"])
            assert not connected(sink)
        with sending(service, broker.port) as sink:  # mqtt:// where TLS is spoken
            wait_until(lambda: sink.status()["error"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"password_file": "none"}, r"mqtt\.password_file: .*none: No such file"),
        ({"password_file": "empty"}, r"mqtt\.password_file: .*empty: empty: it holds the password"),
        ({"password_file": "lines"}, r"mqtt\.password_file: .*lines: not one line"),
        ({"password_file": "bytes"}, r"mqtt\.password_file: .*bytes: not UTF-8"),
        ({"password_credential": "mqtt"}, r"mqtt\.password_credential: mqtt is a systemd credential"),
        ({"url": "mqtts://b", "tls": {"ca": "empty"}}, r"mqtt\.tls\.ca: .*empty: "),
        ({"url": "mqtts://b", "tls": {"ca": "none"}}, r"mqtt\.tls\.ca: .*none: No such file"),
        ({"url": "mqtts://b", "tls": {"certificate": "lines", "key": "lines"}}, r"mqtt\.tls: .*lines, .*lines: "),
    ],
)
def test_secrets_that_cannot_be_used(
    service: StreetService, tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    for name, data in {"empty": b"\n", "lines": b"a\nb\n", "bytes": b"\xff\xfe"}.items():
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)

    def placed(value: object) -> object:
        if isinstance(value, dict):
            return {key: placed(inner) for key, inner in value.items()}
        return tmp_path / value if value in ("none", "empty", "lines", "bytes") else value

    given = {key: placed(value) for key, value in settings.items()}
    if "url" not in settings:
        given["user"] = "robot"
    with pytest.raises(SettingsError, match=said) as caught:
        MqttSink(config(1, **given), service)
    assert "\n" not in str(caught.value)


@pytest.mark.alone
def test_a_frozen_broker_costs_nobody_else_anything(
    broker: Mosquitto, service: StreetService, street: list[Result]
) -> None:
    with Receiver(broker.port) as receiver, sending(service, broker.port, frame={"rate": 1000.0}) as sink:
        wait_until(lambda: connected(sink))
        broker.freeze()
        longest = 0.0
        began, seq = time.monotonic(), 0
        while time.monotonic() - began < 1.0:
            seq += 1
            result = renumbered(street[0], seq)
            before = time.monotonic()
            sink.publish(result)
            longest = max(longest, time.monotonic() - before)
        assert longest < 0.25 and seq > 100  # another thread may hold the interpreter, never the network
        assert sink.status()["dropped"] > 0
        wait_until(lambda: not connected(sink))
        broker.thaw()
        wait_until(lambda: connected(sink))
        sink.publish(renumbered(street[0], 1_000_000))
        wait_until(lambda: receiver.of("robot/result/front")[-1].document["seq"] == 1_000_000)
        wait_until(lambda: receiver.states()[-1] == "running")


@pytest.mark.alone
@pytest.mark.parametrize("deed", DEEDS)
def test_hostile_brokers(
    deed: str, service: StreetService, street: list[Result], caplog: pytest.LogCaptureFixture
) -> None:
    me = psutil.Process()
    with Hostile(DEEDS[deed][0]) as broker, caplog.at_level(logging.INFO):
        sink = MqttSink(config(broker.port, frame={"rate": 1000.0}), service)
        fanout = Fanout({"mqtt": sink})
        sink.start()
        before = me.memory_info().rss, me.num_fds()
        wait_until(lambda: fanout.status()["mqtt"].error)
        said = fanout.status()["mqtt"].error
        seq, began = 0, time.monotonic()
        while time.monotonic() - began < 0.3 or broker.connections < 2:
            seq += 1
            handed = time.monotonic()
            fanout.publish(renumbered(street[0], seq))
            assert time.monotonic() - handed < 0.25
            time.sleep(0.002)
            assert time.monotonic() - began < 20
        assert DEEDS[deed][1] in str(said)
        assert me.memory_info().rss - before[0] < 40e6
        assert me.num_fds() - before[1] < 12  # the broker's own ends are among them
        began = time.monotonic()
        fanout.close()
        assert time.monotonic() - began < 2.0
        assert len([record for record in caplog.records if "mqtt" in record.name]) <= 4


def test_a_port_where_something_else_listens(service: StreetService) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, sending(service, server.getsockname()[1]) as sink:
        wait_until(lambda: sink.status()["error"] == "the broker has answered nothing for 2 s")
    with sending(service, free_port()) as sink:
        wait_until(lambda: sink.status()["error"] == "Connection refused")


@pytest.mark.parametrize("how", ["amqtt", *older.DEEDS])
def test_a_broker_of_the_older_protocol_is_named_at_once(how: str, service: StreetService) -> None:
    with older.older(how) as port, sending(service, port, keepalive_s=60) as sink:
        wait_until(lambda: sink.status()["state"] == "refused", 5)
        assert "speaks MQTT 3.1.1, and does not take MQTT 5" in str(sink.status()["error"])
        assert try_connect(sink._account) == sink.status()["error"]


def test_another_client_with_our_client_id_is_told_and_not_fought(
    broker: Mosquitto, service: StreetService, caplog: pytest.LogCaptureFixture
) -> None:
    clone: dict[str, Any] = {"client_id": "robot-7"}
    with sending(service, broker.port, **clone) as first:
        wait_until(lambda: connected(first))
        happen(service.events, 0)
        wait_until(lambda: first.status()["queue"] == 0)
        with caplog.at_level(logging.WARNING), sending(service, broker.port, **clone) as second:
            wait_until(lambda: "taken" in (first.status()["state"], second.status()["state"]))
            told, other = (first, second) if first.status()["state"] == "taken" else (second, first)
            assert "if two services are robot-7, give one of them another mqtt.client_id" in str(told.status()["error"])
            wait_until(lambda: connected(other))
            calls = other.status()["connections"]
            time.sleep(1.0)  # long enough for a fight: a try after a loss comes in a third of it
            assert connected(other) and other.status()["connections"] == calls <= CLOSED_OFTEN + 1
            assert told.status()["connections"] <= CLOSED_OFTEN
            assert any("trying again in" in record.message for record in caplog.records)


def _takes_over(client: socket.socket, _ended: threading.Event) -> None:
    client.recv(4096)
    client.sendall(CONNACK + bytes([0xE0, 2, 0x8E, 0]))


def test_a_broker_that_says_that_another_took_over_is_believed(service: StreetService) -> None:
    with Hostile(_takes_over) as broker, sending(service, broker.port) as sink:
        wait_until(lambda: sink.status()["state"] == "taken")
        assert "another client came with our client id" in str(sink.status()["error"]) and broker.connections == 1


def test_without_paho_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['paho'] = None\n"
        "from edge_segnet.sinks.mqtt.sink import MqttSink\n"
        "from tests.sinks.mqtt.stage import config; from tests.support.service import StreetService\n"
        "MqttSink(config(1), StreetService())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    wanted = f"mqtt: paho-mqtt is not installed: {command('mqtt')}, or leave the section out"
    assert done.stderr.splitlines()[-1].endswith(wanted)
