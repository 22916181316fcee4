"""What doctor says of a broker: a real one, welcoming, refusing, behind TLS, or silent."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from edge_segnet.doctor import broker as checks
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.report import Finding
from edge_segnet.doctor.systemd import Unit
from edge_segnet.sinks.mqtt.account import account
from edge_segnet.sinks.mqtt.question import try_connect
from edge_segnet.sinks.mqtt.settings import MqttConfig
from edge_segnet.sinks.registry import configured
from tests.sinks.mqtt.mosquitto import Mosquitto, free_port
from tests.sinks.mqtt.receiver import Receiver
from tests.sinks.mqtt.stage import config, connected, sending
from tests.support.programs import needed
from tests.support.service import StreetService
from tests.support.tls import self_signed
from tests.support.waiting import wait_until


def judged(url: str, unit: Unit | None = None, **settings: object) -> Finding:
    mqtt = MqttConfig.model_validate({"url": url, "prefix": "robot", **settings})
    (finding,) = checks.check(Context(config=configured(mqtt=mqtt), unit=unit))
    return finding


def test_without_a_broker_in_the_settings_nothing_is_said() -> None:
    assert list(checks.check(Context())) == []


def test_a_welcome_that_a_running_service_does_not_notice(broker: Mosquitto, service: StreetService) -> None:
    with Receiver(broker.port) as receiver, sending(service, broker.port) as sink:
        wait_until(lambda: connected(sink))
        wait_until(lambda: receiver.states() == ["running"])
        finding = judged(f"mqtt://127.0.0.1:{broker.port}", client_id=None)
        assert finding.seen == f"127.0.0.1:{broker.port} takes us without a user" and finding.status == "green"
        assert connected(sink) and receiver.states() == ["running"]
        assert sink.status()["error"] is None


def test_a_password_that_is_wrong(folder: Path, tmp_path: Path) -> None:
    needed("mosquitto_passwd")
    passwords = folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "me", "right"], check=True, capture_output=True)
    secret = tmp_path / "secret"
    secret.touch(0o600)
    with Mosquitto(folder, f"password_file {passwords}", anonymous=False) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        secret.write_text("wrong99")
        wrong = judged(url, user="me", password_file=str(secret))
        assert (wrong.status, wrong.exit_code) == ("red", 4) and "the broker refuses: not authorized" in wrong.seen
        assert "wrong99" not in wrong.seen + wrong.remedy
        secret.write_text("right")
        assert judged(url, user="me", password_file=str(secret)).seen.endswith("takes the user me")
        handed = judged(url, user="me", password_credential="mqtt")
        assert handed.status == "green" and "the password was not tried: systemd hands it over" in handed.seen
        secret.unlink()
        assert judged(url, user="me", password_file=str(secret)).exit_code == 2


def test_nobody_there_or_somebody_else() -> None:
    gone = judged(f"mqtt://127.0.0.1:{free_port()}")
    assert gone.exit_code == 4 and "Connection refused" in gone.seen
    assert judged("mqtt://no-such-host.invalid").exit_code == 4
    with socket.create_server(("127.0.0.1", 0)) as silent:
        who = account(config(silent.getsockname()[1]))
        assert try_connect(who, 0.3) == "it does not answer"


# Python leaves it open when a certificate is refused, until the collector comes.
@pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_tls(folder: Path, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with Mosquitto(folder, f"certfile {certificate}", f"keyfile {key}") as broker:
        url = f"mqtts://localhost:{broker.port}"
        stranger = judged(url)
        assert stranger.exit_code == 4 and "certificate is not trusted" in stranger.seen and "tls.ca" in stranger.remedy
        assert judged(url, tls={"ca": str(certificate)}).seen.endswith("takes us without a user, over TLS")
        plain = judged(f"mqtt://127.0.0.1:{broker.port}")
        assert plain.exit_code == 4 and "TLS" in plain.seen + plain.remedy


def test_a_broker_that_the_units_firewall_keeps_away(broker: Mosquitto) -> None:
    closed = Unit({"LoadState": "loaded", "IPAddressDeny": "0.0.0.0/0 ::/0", "IPAddressAllow": "10.0.0.0/8"})
    finding = judged(f"mqtt://127.0.0.1:{broker.port}", closed)
    assert finding.exit_code == 4 and finding.remedy.endswith("IPAddressAllow=127.0.0.1")
