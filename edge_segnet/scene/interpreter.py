"""What the labels mean, between the network and the sinks: steadied, counted by region, judged by rules."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.types import Fit, Flicker, Frame, Labels, Refined, Region, Segmentation, View
from edge_segnet.pictures.counting import class_counts, with_uncertain
from edge_segnet.pictures.files import encode
from edge_segnet.pictures.overlay import RenderStyle, draw
from edge_segnet.scene.alarms import Alarms
from edge_segnet.scene.events import AlarmKey
from edge_segnet.scene.ground import CameraGeometry
from edge_segnet.scene.regions import RegionCounter, Smoothed
from edge_segnet.scene.rules import RuleState, value_of
from edge_segnet.scene.smoothing import FlickerMeter, TemporalFilter, make
from edge_segnet.settings.regions import RegionConfig, faults_with_model
from edge_segnet.settings.schema import Config

logger = logging.getLogger(__name__)
_UNKNOWN: Final = "the model does not say; edge-segnet evaluate --calibrate makes a copy that does"
QUALITY: Final = 80
"""Of an event's picture: a thousand are kept, so less than the 90 of pictures that are looked at one by one."""


@dataclass(frozen=True)
class Network:
    """What of a model matters here: its classes, its (width, height), how pictures are fitted."""

    classes: ClassMap
    size: tuple[int, int]
    fit: Fit


def check(config: Config, network: Network) -> None:
    """Whether the settings' regions and rules are possible with a model.

    Raises:
        SettingsError: a class that it has not, a region without a pixel; with the place in the file.
    """
    for fault in faults_with_model(config.regions, config.rules, network.classes, network.size):
        raise config.error(fault.key, fault.message, fault.hint)


class Postprocessor:
    """For one camera's loop: called with every frame, on the loop's thread."""

    def __init__(
        self, camera: str, config: Config, network: Network, alarms: Alarms, earlier: Postprocessor | None = None
    ) -> None:
        """``config`` was checked with the network. What stays as it is in ``earlier`` settings goes on as it was."""
        self._camera, self._config, self._network, self._alarms = camera, config, network, alarms
        self._mount = config.cameras[camera].mount
        self._view: CameraGeometry | None = None
        self._drawn_with = View(network.classes, network.fit, config.regions)
        self._configs = {name: region for name, region in config.regions.items() if region.sees(camera)}
        self._smoothed = {name: _smoothed(name, region, earlier) for name, region in self._configs.items()}
        self._areas = {
            name: RegionCounter(region, network.classes, network.size, self._smoothed[name])
            for name, region in self._configs.items()
        }
        self._watches = self._watched(earlier)
        self._valueless: set[str] = set()
        self._filter: TemporalFilter | None = None
        self._meters = (FlickerMeter(), FlickerMeter())
        if earlier is not None and earlier._config.steady == config.steady:
            self._filter, self._meters = earlier._filter, earlier._meters
        elif config.steady is not None:
            self._filter = make(config.steady)

    def _watched(self, earlier: Postprocessor | None) -> list[RuleState]:
        """What stays as it is goes on counting; whether an alarm is on stands elsewhere."""
        kept = {} if earlier is None else {watch.config.name: watch for watch in earlier._watches}
        rules = [rule for rule in self._config.rules if rule.region is None or rule.region in self._configs]
        states = [(rule, kept.get(rule.name)) for rule in rules]
        return [
            state if state is not None and state.config == rule else RuleState(rule, self._camera, self._alarms)
            for rule, state in states
        ]

    @property
    def watched(self) -> frozenset[AlarmKey]:
        """The alarms that may be on."""
        return frozenset((watch.config.name, self._camera) for watch in self._watches)

    def __call__(self, frame: Frame, segmentation: Segmentation) -> Refined:
        """A frame that is not whole is counted, and nothing else: it steadies nothing and no rule judges it, so alarms,
        smoothed shares and flicker stay as the last whole one left them.
        """
        if not frame.whole:
            return self._held(frame, segmentation)
        raw = self._meters[0].observe(segmentation.labels, frame.captured_ns)
        flicker = Flicker(raw)
        if self._filter is not None:
            segmentation = self._steadied(self._filter, frame, segmentation)
            flicker = Flicker(raw, self._meters[1].observe(segmentation.labels, frame.captured_ns))
        regions = self._measured(frame, segmentation)
        self._judge(frame, segmentation, regions)
        return Refined(segmentation, regions, self._on(), flicker)

    def _held(self, frame: Frame, segmentation: Segmentation) -> Refined:
        raw, steady = (meter.share for meter in self._meters)
        flicker = Flicker(raw, None if self._filter is None else steady)
        return Refined(segmentation, self._measured(frame, segmentation), self._on(), flicker)

    def _measured(self, frame: Frame, segmentation: Segmentation) -> dict[str, Region]:
        view = self._viewed(frame)
        return {name: area.measure(frame, segmentation, view, self._mount) for name, area in self._areas.items()}

    def _on(self) -> tuple[str, ...]:
        return tuple(watch.config.name for watch in self._watches if watch.on)

    def _steadied(self, steadying: TemporalFilter, frame: Frame, segmentation: Segmentation) -> Segmentation:
        labels = steadying.steady(segmentation.labels, frame.captured_ns)
        labels.setflags(write=False)
        classes = len(self._network.classes)
        found, uncertain = with_uncertain(labels, segmentation.margins, classes)
        counts = class_counts(found, classes, labels.size)
        return replace(segmentation, labels=labels, counts=counts, uncertain=uncertain)

    def _viewed(self, frame: Frame) -> CameraGeometry:
        if self._view is None or self._view.source_size != frame.source_size:
            self._view = CameraGeometry(self._network.size, frame.source_size, self._network.fit)
        return self._view

    def _judge(self, frame: Frame, segmentation: Segmentation, regions: dict[str, Region]) -> None:
        for watch in self._watches:
            region = watch.config.region
            value = value_of(watch.config, None if region is None else regions[region], segmentation)
            if value is not None:
                picture = snapshot_of(frame, segmentation.labels, self._drawn_with, region)
                watch.update(value, frame, picture if watch.config.snapshot else None)
            elif watch.config.name not in self._valueless:
                self._valueless.add(watch.config.name)
                logger.warning("%s: rule %s has nothing to look at: %s", self._camera, watch.config.name, _UNKNOWN)


def _smoothed(name: str, region: RegionConfig, earlier: Postprocessor | None) -> Smoothed:
    """The earlier one of a region that has not changed, otherwise a new one."""
    if earlier is not None and earlier._configs.get(name) == region:
        return earlier._smoothed[name]
    return Smoothed(region.smooth_s)


def snapshot_of(frame: Frame, labels: Labels, view: View, region: str | None) -> Callable[[], bytes]:
    """Draws, when it is called, the overlay with the region's outline, in the camera's proportions, as a JPEG."""
    outlines = () if region is None else (region,)
    return lambda: encode(draw(frame, labels, view, RenderStyle(outlines=outlines)), ".jpg", QUALITY)
