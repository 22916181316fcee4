"""``/metrics``: what the service counts anyway, in Prometheus's words, collected when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from edge_segnet.core.documents import BoardDocument, CameraDocument, SinkDocument, StatusDocument, class_documents
from edge_segnet.core.documents.status import CameraState
from edge_segnet.core.stats import shares
from edge_segnet.core.telemetry import CameraTelemetry, Histogram
from edge_segnet.sinks import Service
from edge_segnet.sinks.http.spec import HttpStatus

STATES: Final = get_args(CameraState)
COUNTERS: Final[dict[str, tuple[str, Callable[[CameraTelemetry], int]]]] = {
    "frames": ("frames segmented and handed out", lambda telemetry: telemetry.frames),
    "dropped": ("frames that nobody segmented, whatever the reason", lambda telemetry: telemetry.dropped.total),
    "stale": ("results older than the camera's limit", lambda telemetry: telemetry.stale),
}
DROPPED: Final = ("late", "skipped", "damaged")

SINK_COUNTERS: Final = {
    "published": "results that the sink took",
    "dropped": "results that it could not take, or not pass on",
    "failed": "results at which it broke",
}


class Metrics(Collector):
    """A collector over ``Service``; ``http`` gives this sink's own status, ``written`` the ages of what it sent."""

    def __init__(self, service: Service, http: Callable[[], HttpStatus], written: Histogram) -> None:
        self._service, self._http, self._written = service, http, written
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self, accept: str) -> tuple[bytes, str]:
        """(body, media type): OpenMetrics where the client asks for it, else the Prometheus text format."""
        try:
            encode, media_type = choose_encoder(accept)
        except (TypeError, ValueError):  # what it makes of a version that is no number
            encode, media_type = choose_encoder("")
        return encode(self._registry), media_type

    def describe(self) -> list[Metric]:
        """Nothing: so that registering collects nothing."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics, as of now."""
        status = self._service.status()
        yield _info(status)
        yield GaugeMetricFamily("edge_segnet_ready", "a model runs, every camera is known", float(self._service.ready))
        yield GaugeMetricFamily("edge_segnet_healthy", "every loop made progress", float(self._service.healthy))
        yield GaugeMetricFamily("edge_segnet_uptime_seconds", "since the start", status.uptime_s)
        yield from self._counts()
        yield from self._times()
        yield from self._shares()
        yield from self._regions()
        yield from self._alarms()
        yield from _cameras(status.cameras)
        yield from _sinks(status.sinks)
        yield from _board(status.board)
        yield from self._own()

    def _counts(self) -> Iterator[Metric]:
        for name, (text, value) in COUNTERS.items():
            family = CounterMetricFamily(f"edge_segnet_{name}", text, labels=["camera"])
            for camera, telemetry in self._service.cameras.items():
                family.add_metric([camera], float(value(telemetry)))
            yield family
        by_reason = CounterMetricFamily("edge_segnet_dropped_frames", "by reason", labels=["camera", "reason"])
        for camera, telemetry in self._service.cameras.items():
            for reason in DROPPED:
                by_reason.add_metric([camera, reason], float(getattr(telemetry.dropped, reason)))
        yield by_reason
        rate = GaugeMetricFamily("edge_segnet_frames_per_second", "over the last seconds", labels=["camera"])
        for camera, telemetry in self._service.cameras.items():
            rate.add_metric([camera], telemetry.frames_per_second())
        yield rate

    def _times(self) -> Iterator[Metric]:
        age = HistogramMetricFamily("edge_segnet_frame_age_seconds", "from capture to hand-over", labels=["camera"])
        stages = HistogramMetricFamily("edge_segnet_stage_seconds", "time of a stage", labels=["camera", "stage"])
        for camera, telemetry in self._service.cameras.items():
            age.add_metric([camera], *_buckets(telemetry.age))
            for stage, histogram in telemetry.stages.items():
                stages.add_metric([camera, stage], *_buckets(histogram))
        yield age
        yield stages

    def _shares(self) -> Iterator[Metric]:
        """What the newest frame's pixels are, and how sure the network is of them."""
        share, uncertain = (
            GaugeMetricFamily(f"edge_segnet_class_{name}", text, labels=["camera", "class"])
            for name, text in (
                ("share", "share of the newest frame's pixels, 0 to 1"),
                ("uncertain_share", "of the class's pixels that were nearly another class, 0 to 1"),
            )
        )
        low_margin, unfamiliar = (
            GaugeMetricFamily(f"edge_segnet_{name}", text, labels=["camera"])
            for name, text in (
                ("low_margin_share", "of the newest frame's pixels that were nearly another class, 0 to 1"),
                ("unfamiliar", "how unlike the training's pictures the newest one is, 0 to 1"),
            )
        )
        for camera, telemetry in self._service.cameras.items():
            if telemetry.last is None:
                continue
            segmentation, classes = telemetry.last.segmentation, telemetry.last.view.classes
            for name, of in zip((*classes.names, "void"), shares(segmentation.counts), strict=True):
                share.add_metric([camera, name], float(of))
            for name, told in class_documents(segmentation.counts, segmentation.uncertain, classes).items():
                if told.uncertain is not None:
                    uncertain.add_metric([camera, name], told.uncertain)
            for family, value in ((low_margin, segmentation.low_margin), (unfamiliar, segmentation.unfamiliar)):
                if value is not None:
                    family.add_metric([camera], value)
        yield from (share, uncertain, low_margin, unfamiliar)

    def _regions(self) -> Iterator[Metric]:
        """What the newest frame's regions held, and how much its labels flicker."""
        share, smoothed = (
            GaugeMetricFamily(f"edge_segnet_region_{name}", text, labels=["camera", "region", "class"])
            for name, text in (("share", "of the region's pixels, 0 to 1"), ("smoothed_share", "the same, over time"))
        )
        rows, metres = (
            GaugeMetricFamily(f"edge_segnet_free_{unit}", text, labels=["camera", "region", "sector"])
            for unit, text in (("rows", "drivable from the region's lower edge up"), ("metres", "drivable ahead"))
        )
        flicker = GaugeMetricFamily(
            "edge_segnet_flicker",
            "share of pixels that blink; raw, and steady after the filter",
            labels=["camera", "of"],
        )
        for camera, telemetry in self._service.cameras.items():
            last = telemetry.last
            if last is None:
                continue
            names = last.view.classes.names
            for name, region in last.regions.items():
                for entry, of, later in zip(names, shares(region.counts), region.smoothed, strict=False):
                    share.add_metric([camera, name, entry], float(of))
                    smoothed.add_metric([camera, name, entry], float(later))
                for family, values in (
                    (rows, region.free and region.free.rows),
                    (metres, region.free and region.free.metres),
                ):
                    for sector, value in enumerate(values or ()):
                        family.add_metric([camera, name, str(sector)], float(value))
            if last.flicker is not None:
                flicker.add_metric([camera, "raw"], last.flicker.raw)
                if last.flicker.steady is not None:
                    flicker.add_metric([camera, "steady"], last.flicker.steady)
        yield from (share, smoothed, rows, metres, flicker)

    def _alarms(self) -> Iterator[Metric]:
        alarm = GaugeMetricFamily("edge_segnet_alarm", "1: the rule is on", labels=["camera", "rule"])
        view = self._service.view
        for camera, telemetry in self._service.cameras.items():
            on = telemetry.last.alarms if telemetry.last is not None else ()
            for rule in view.rules if view is not None else ():
                if view is not None and view.concerns(rule, camera):
                    alarm.add_metric([camera, rule.name], float(rule.name in on))
        yield alarm
        log = self._service.events
        events = CounterMetricFamily("edge_segnet_events", "since the start", labels=["camera", "rule", "kind"])
        for labels, count in tuple(log.counts.items()):
            events.add_metric(list(labels), float(count))
        yield events
        yield CounterMetricFamily("edge_segnet_events_lost", "the disk was too slow for them", float(log.lost))
        error = float(log.status().error is not None)
        yield GaugeMetricFamily("edge_segnet_events_error", "1: events are not on disk, only in memory", error)

    def _own(self) -> Iterator[Metric]:
        own = self._http()
        yield GaugeMetricFamily("edge_segnet_http_connections", "open now", float(own["connections"]))
        yield GaugeMetricFamily("edge_segnet_http_streams", "open now", float(own["streams"]))
        yield CounterMetricFamily("edge_segnet_http_rejected", "connections beyond the limits", float(own["rejected"]))
        yield CounterMetricFamily("edge_segnet_http_cut_off", "clients past a deadline", float(own["cut_off"]))
        encoded = CounterMetricFamily("edge_segnet_http_encoded", "pictures encoded", labels=["kind"])
        for kind, count in own["encoded"].items():
            encoded.add_metric([kind], float(count))
        yield encoded
        written = HistogramMetricFamily("edge_segnet_http_frame_age_seconds", "from capture to the last byte written")
        written.add_metric([], *_buckets(self._written))
        yield written


def _info(status: StatusDocument) -> Metric:
    values = status.model_dump(include={"version", "model", "backend"}, exclude_none=True)
    family = InfoMetricFamily("edge_segnet", "what runs")
    family.add_metric([], values)
    return family


def _cameras(cameras: dict[str, CameraDocument]) -> Iterator[Metric]:
    state = GaugeMetricFamily("edge_segnet_camera_state", "1 for the state it is in", labels=["camera", "state"])
    reconnects = CounterMetricFamily("edge_segnet_camera_reconnects", "sources opened again", labels=["camera"])
    for camera, status in cameras.items():
        for name in STATES:
            state.add_metric([camera, name], float(status.state == name))
        reconnects.add_metric([camera], float(status.reconnects))
    yield state
    yield reconnects


def _sinks(sinks: dict[str, SinkDocument]) -> Iterator[Metric]:
    """What every sink tells of itself; ``error`` and ``last_error`` stay where they can be read."""
    state = GaugeMetricFamily("edge_segnet_sink_state", "1 for the state it is in", labels=["sink", "state"])
    error = GaugeMetricFamily("edge_segnet_sink_error", "1: it can't do its work now", labels=["sink"])
    queue = GaugeMetricFamily("edge_segnet_sink_queue", "what waits to be sent", labels=["sink"])
    counts = {
        name: CounterMetricFamily(f"edge_segnet_sink_{name}", text, labels=["sink"])
        for name, text in SINK_COUNTERS.items()
    }
    for sink, told in sinks.items():
        state.add_metric([sink, told.state], 1.0)
        error.add_metric([sink], float(told.error is not None))
        queue.add_metric([sink], float(told.queue))
        for name, family in counts.items():
            family.add_metric([sink], float(getattr(told, name)))
    yield from (state, error, queue, *counts.values())


def _board(board: BoardDocument | None) -> Iterator[Metric]:
    temperature = GaugeMetricFamily("edge_segnet_temperature_celsius", "of the board's sensors", labels=["sensor"])
    for reading in board.temperatures if board is not None else ():
        temperature.add_metric([reading.name], reading.celsius)
    yield temperature
    if board is not None and board.throttled is not None:
        yield GaugeMetricFamily("edge_segnet_throttled", "the board slows itself down", float(board.throttled))


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Bounds in seconds with cumulative counts, and the sum in seconds."""
    rows = [("+Inf" if bound == float("inf") else f"{bound / 1e3:g}", count) for bound, count in histogram.cumulative()]
    return [(bound, float(count)) for bound, count in rows], histogram.sum_ms / 1e3
