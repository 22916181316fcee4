"""Every event arrives, in order, whatever happens to the broker, the network and this process; once, while it lives."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_segnet.scene.events import EventLog
from edge_segnet.sinks.mqtt.sink import MqttSink
from tests.sinks.mqtt.cutting_proxy import CuttingProxy
from tests.sinks.mqtt.mosquitto import Mosquitto
from tests.sinks.mqtt.publisher import Publisher
from tests.sinks.mqtt.receiver import Receiver
from tests.sinks.mqtt.stage import connected, cursor_of, happen, sending
from tests.support.service import StreetService
from tests.support.stalling_proxy import StallingProxy
from tests.support.waiting import wait_until


@pytest.fixture
def lasting(folder: Path) -> Iterator[Mosquitto]:
    """A broker that knows, after a restart, who wanted what."""
    with Mosquitto(folder, lasting=True) as running:
        yield running


def test_500_events_while_the_broker_is_away(lasting: Mosquitto, service: StreetService) -> None:
    with Receiver(lasting.port) as receiver, sending(service, lasting.port) as sink:
        happen(service.events, *range(5))
        wait_until(lambda: receiver.events() == list(range(5)))
        lasting.save()
        lasting.kill()
        wait_until(lambda: not connected(sink))
        happen(service.events, *range(5, 505))
        assert sink.status()["queue"] == 500
        lasting.start()
        wait_until(lambda: len(receiver.events()) >= 505, 40)
        assert receiver.events() == list(range(505))
        wait_until(lambda: sink.status()["queue"] == 0)
        assert sink.status()["sent"]["event"] == 505 and sink.status()["events_dropped"] == 0


@pytest.mark.usefixtures("state")
def test_500_events_and_a_kill_between(lasting: Mosquitto) -> None:
    with Receiver(lasting.port) as receiver:
        with Publisher(lasting.port) as publisher:
            publisher.happen(0, 3)
            wait_until(lambda: receiver.events() == [0, 1, 2])
            lasting.save()
            lasting.kill()
            publisher.happen(3, 503)
        with Publisher(lasting.port):
            lasting.start()
            wait_until(lambda: receiver.events()[-1:] == [502], 40)
        assert list(dict.fromkeys(receiver.events())) == list(range(503))


@pytest.mark.usefixtures("state")
def test_kills_while_events_are_sent(broker: Mosquitto) -> None:
    """What was under way is sent again, by the next process; ids tell the doubles."""
    with Receiver(broker.port) as receiver:
        for first in range(0, 400, 200):
            with Publisher(broker.port) as publisher:
                publisher.happen(first, first + 200)
                wait_until(lambda first=first: len(receiver.events()) > first + 20)  # type: ignore[misc]
        with Publisher(broker.port):
            wait_until(lambda: receiver.events()[-1:] == [399], 40)
        events = [message.document for message in receiver.of("robot/event")]
        by_id = {event["id"]: event["frame_seq"] for event in events}
        assert list(by_id.values()) == list(range(400))
        assert receiver.states().count("offline") >= 2  # the last will


def test_once_each_over_a_network_that_breaks(broker: Mosquitto, service: StreetService) -> None:
    """The connection is cut after random bytes, in both directions; the broker lives, and so does the process."""
    rng = random.Random(7)
    with Receiver(broker.port) as receiver, CuttingProxy(broker.port) as proxy, sending(service, proxy.port) as sink:
        wait_until(lambda: connected(sink))
        for first in range(0, 200, 20):
            proxy.cut_after(rng.randrange(0, 4000), rng.randrange(0, 300))  # the second one hits the next handshake
            happen(service.events, *range(first, first + 20))
            wait_until(lambda first=first: len(receiver.events()) > first)  # type: ignore[misc]
        proxy.cut_after()
        wait_until(lambda: len(receiver.events()) >= 200, 40)
        wait_until(lambda: sink.status()["queue"] == 0)
        assert receiver.events() == list(range(200))
        assert proxy.cuts >= 5 and sink.status()["connections"] > 5


def test_once_each_over_a_broker_that_freezes(broker: Mosquitto, service: StreetService) -> None:
    with Receiver(broker.port) as receiver, sending(service, broker.port) as sink:
        wait_until(lambda: connected(sink))
        broker.freeze()
        happen(service.events, *range(50))
        wait_until(lambda: not connected(sink))
        assert "answered nothing for 2 s" in str(sink.status()["error"])
        broker.thaw()
        wait_until(lambda: len(receiver.events()) >= 50)
        wait_until(lambda: sink.status()["queue"] == 0 and receiver.states()[-1] == "running", 40)
        assert receiver.events() == list(range(50))


def test_once_each_over_a_network_that_freezes(broker: Mosquitto, service: StreetService) -> None:
    """What is on its way is never seen again; the broker keeps the dead connection."""
    with Receiver(broker.port) as receiver, StallingProxy(broker.port) as proxy, sending(service, proxy.port) as sink:
        wait_until(lambda: connected(sink))
        happen(service.events, *range(20))
        proxy.stall()
        happen(service.events, *range(20, 60))
        wait_until(lambda: not connected(sink))
        proxy.resume()
        wait_until(lambda: len(receiver.events()) >= 60 and sink.status()["queue"] == 0)
        assert receiver.events() == list(range(60))
        wait_until(lambda: receiver.states()[-1] == "running")


def test_a_broker_that_forgets_costs_doubles_at_most(broker: Mosquitto, service: StreetService) -> None:
    """kill -9 of a broker without persistence, in the middle of many events."""
    with Receiver(broker.port) as receiver, sending(service, broker.port) as sink:
        for first in range(0, 180, 60):
            happen(service.events, *range(first, first + 60))
            wait_until(lambda: receiver.events())
            subscriptions = receiver.subscriptions
            broker.kill()
            seen = len(receiver.events())
            wait_until(lambda: not connected(sink))
            _start_for(receiver, broker, subscriptions, sink)
            wait_until(lambda seen=seen: len(receiver.events()) > seen or sink.status()["queue"] == 0)  # type: ignore[misc]
        wait_until(lambda: sink.status()["queue"] == 0)
        assert sink.status()["sent"]["event"] == 180


def _start_for(receiver: Receiver, broker: Mosquitto, subscriptions: int, sink: MqttSink) -> None:
    broker.start()
    wait_until(lambda: receiver.subscriptions > subscriptions and connected(sink))


def test_the_oldest_go_when_there_are_too_many(broker: Mosquitto, service: StreetService, state: Path) -> None:
    service.events.close()
    service.events = EventLog(state / "few", keep=100)
    with Receiver(broker.port) as receiver, sending(service, broker.port) as sink:
        happen(service.events, 0)
        wait_until(lambda: receiver.events() == [0])
        broker.freeze()
        wait_until(lambda: not connected(sink))
        happen(service.events, *range(1, 121))
        assert sink.status()["queue"] == 100
        broker.thaw()
        wait_until(lambda: receiver.events()[-1:] == [120], 40)
        assert receiver.events() == [0, *range(21, 121)]
        wait_until(lambda: sink.status()["events_dropped"] == 20)


def test_a_new_service_begins_with_new_events(broker: Mosquitto, service: StreetService, state: Path) -> None:
    happen(service.events, 0, 1)
    with Receiver(broker.port) as receiver:
        with sending(service, broker.port) as sink:
            wait_until(lambda: connected(sink))
            happen(service.events, 2)
            wait_until(lambda: receiver.events() == [2])
        happen(service.events, 3)
        with sending(service, broker.port):
            wait_until(lambda: receiver.events() == [2, 3])
        cursor_of(state).write_bytes(b"")  # a power cut
        with sending(service, broker.port):
            wait_until(lambda: receiver.events() == [2, 3, 0, 1, 2, 3])


def test_a_refused_event_is_kept(folder: Path, service: StreetService) -> None:
    rights = folder / "acl"
    rights.write_text("topic readwrite robot/status\ntopic read #\n")
    with (
        Mosquitto(folder, f"acl_file {rights}") as broker,
        Receiver(broker.port) as receiver,
        sending(service, broker.port) as sink,
    ):
        happen(service.events, 0, 1, 2)
        wait_until(lambda: sink.status()["error"] == "the broker refuses a message: not authorized")
        time.sleep(0.2)
        assert connected(sink) and sink.status()["queue"] == 3 and sink.status()["sent"]["event"] == 0
        rights.write_text("topic readwrite #\n")
        broker.reload()
        wait_until(lambda: receiver.events() == [0, 1, 2])
        wait_until(lambda: sink.status()["error"] is None)
