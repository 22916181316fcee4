"""All sinks at once, healthy and ill; events over a broker that goes away. With a real mosquitto, on this machine."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.figure import Figure
from benchmarks.serving import Recorder, bare_rate, clients, rendered, serving
from edge_segnet.core.stats import percentile
from tests.sinks.mqtt.mosquitto import Mosquitto
from tests.sinks.mqtt.publisher import Publisher
from tests.sinks.mqtt.receiver import Receiver

ROUNDS, TURNS = 3, 5
BARE_S, SERVED_S, SETTLE_S = 8.0, 12.0, 3.0
OVERLOAD: Final = 1.2
"""Camera rate over infer rate."""
DISK_MB: Final = 256
STUCK: Final = 8
EVENTS: Final = 500


def _sections(port: int, disk: Path) -> dict[str, Any]:
    """MQTT with results and pictures, MCAP and JSON lines of every frame."""
    files = {"free_mb": 0, "max_mb": 32, "keep_mb": 64}
    return {
        "mqtt": {"url": f"mqtt://127.0.0.1:{port}", "frame": {"rate": 1.0}, "keepalive_s": 2},
        "recording": {"path": str(disk / "recordings"), **files},
        "jsonl": {"path": str(disk / "lines"), **files},
    }


def everything(model: str, folder: Path) -> list[Figure]:
    """A dashboard viewer, MQTT, MCAP and JSON lines, with a camera faster than the network, against ``infer`` alone."""
    os.environ["STATE_DIRECTORY"] = str(folder / "state")
    images = rendered(model)
    ratios = []
    with _broker(folder) as broker:
        for _ in range(ROUNDS):
            bare = bare_rate(model, images, BARE_S)
            more = _sections(broker.port, folder)
            with serving(model, images, 1 / (OVERLOAD * bare), more=more) as (_, recorder, url), clients("viewer", url):
                time.sleep(SETTLE_S)
                ratios.append(_measure(recorder)[0] / bare)
    return [Figure("viewer, MQTT, MCAP and JSON lines / bare infer", median(ratios), "x", 0.85, ">=")]


def faults(model: str, folder: Path) -> list[Figure]:
    """Broker frozen, disk full and viewers stuck, all at once, against healthy ones, in turns."""
    os.environ["STATE_DIRECTORY"] = str(folder / "state")
    images = rendered(model)
    period_s = 1 / (OVERLOAD * bare_rate(model, images, BARE_S))
    rates: list[float] = []
    healthy_ms: list[float] = []
    ill_ms: list[float] = []
    with _broker(folder) as broker, _disk(folder / "disk") as disk:
        more = _sections(broker.port, disk)
        with serving(model, images, period_s, more=more) as (daemon, recorder, url):
            for _ in range(TURNS):
                with clients("viewer", url):
                    time.sleep(SETTLE_S)
                    rate, ages = _measure(recorder)
                    healthy_ms += ages
                broker.freeze()
                _fill(disk)
                with clients("stuck", url, STUCK):
                    time.sleep(SETTLE_S)
                    ill_rate, ages = _measure(recorder)
                    ill_ms += ages
                sinks = daemon.state.status().to_dict()["sinks"]
                assert sinks["mqtt"]["state"] == "disconnected" and sinks["jsonl"]["error"], sinks
                rates.append(ill_rate / rate)
                broker.thaw()
                (disk / "ballast").unlink()
    name = "broker frozen, disk full, viewers stuck"
    return [
        Figure(f"{name}: frame rate / healthy", median(rates), "x", 0.95, ">="),
        Figure(f"{name}: age p99 / healthy", percentile(ill_ms, 0.99) / percentile(healthy_ms, 0.99), "x", 1.1),
    ]


def events(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """500 events while the broker is away; the same with kill -9 of the service between."""
    figures = []
    for killed in (False, True):
        place = folder / f"events-{killed}"
        os.environ["STATE_DIRECTORY"] = str(place / "state")
        with _broker(place, lasting=True) as broker, Receiver(broker.port) as receiver:
            with Publisher(broker.port) as publisher:
                publisher.happen(0, 1)
                _until(lambda receiver=receiver: receiver.events() == [0])
                broker.save()
                broker.kill()
                publisher.happen(1, EVENTS + 1)
                if killed:
                    publisher.kill()
                with Publisher(broker.port) if killed else contextlib.nullcontext():
                    broker.start()
                    began = time.monotonic()
                    _until(lambda receiver=receiver: receiver.events()[-1:] == [EVENTS])
                    took_s = time.monotonic() - began
            got = receiver.events()[1:]
        in_order = list(dict.fromkeys(got)) == list(range(1, EVENTS + 1))
        name = f"{EVENTS} events while the broker is away{', kill -9 between' if killed else ''}"
        figures += [
            Figure(f"{name}: delivered in order", float(len(set(got)) if in_order else 0), "", EVENTS, ">="),
            Figure(f"{name}: doubles", float(len(got) - len(set(got))), ""),
            Figure(f"{name}: broker back to the last one", took_s, "s"),
        ]
    return figures


def _measure(recorder: Recorder) -> tuple[float, list[float]]:
    """Frames per second, and their ages at hand-over in ms, of the next seconds."""
    since, first = time.monotonic(), len(recorder.ages_ms)
    time.sleep(SERVED_S)
    return recorder.rate(since), recorder.ages_ms[first:]


@contextlib.contextmanager
def _broker(folder: Path, *, lasting: bool = False) -> Iterator[Mosquitto]:
    place = folder / "broker"
    place.mkdir(parents=True, exist_ok=True)
    with Mosquitto(place, lasting=lasting) as broker:
        yield broker


@contextlib.contextmanager
def _disk(place: Path) -> Iterator[Path]:
    """A disk that can be filled."""
    place.mkdir()
    if os.system(f"mount -t tmpfs -o size={DISK_MB}m tmpfs '{place}'") != 0:
        raise SystemExit("the benchmark 'faults' mounts a small tmpfs, which needs root")
    try:
        yield place
    finally:
        os.system(f"umount -l '{place}'")


def _fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(1 << 20))


def _until(condition: Any) -> None:
    while not condition():
        time.sleep(0.002)
