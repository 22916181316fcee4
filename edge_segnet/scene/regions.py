"""Parts of the picture that are counted for themselves: rasterised once, counted in every frame."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.polygons import mask_of
from edge_segnet.core.stats import shares
from edge_segnet.core.types import Frame, Region, Segmentation
from edge_segnet.pictures.counting import class_counts, look_up, with_uncertain
from edge_segnet.scene.ground import CameraGeometry, Sectors, drivable_lut
from edge_segnet.settings.regions import MountConfig, RegionConfig


class Smoothed:
    """Values that follow with a time constant: an exponential filter that knows of uneven frame intervals."""

    def __init__(self, time_s: float) -> None:
        self._time_s = time_s
        self._values: NDArray[np.float64] | None = None
        self._at_ns = 0

    def follow(self, values: NDArray[np.float64], at_ns: int) -> NDArray[np.float64]:
        """Take the values of a moment (monotonic, ns), give the smoothed ones; the first are given as they are."""
        if self._values is None or self._values.shape != values.shape:
            self._values = values
        else:
            weight = 1.0 - math.exp(-max(0, at_ns - self._at_ns) / 1e9 / self._time_s)
            self._values = self._values + weight * (values - self._values)
        self._at_ns = at_ns
        return self._values

    def held(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The smoothed values as they are; ``values``, where there are none yet, and they are not remembered."""
        return values if self._values is None or self._values.shape != values.shape else self._values


class RegionCounter:
    """A region at one network size, for one model's classes."""

    def __init__(self, config: RegionConfig, classes: ClassMap, size: tuple[int, int], smoothed: Smoothed) -> None:
        """``size``: (width, height). The region must hold a pixel (``config_regions.faults_with_model``)."""
        self.smoothed = smoothed
        self._classes = len(classes)
        mask = mask_of(config.polygon, size)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        self._box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
        inside = mask[self._box]
        self._pixels = int(np.count_nonzero(inside))
        # Or-ed over the labels it makes the rest of the box no class: one pass, where masks would need several.
        self._outside = np.where(inside, np.uint8(0), np.uint8(255))
        self._sectors: Sectors | None = None
        if config.free is not None:
            corner = self._box[0].start, self._box[1].start
            self._sectors = Sectors(inside, *corner, config.free.sectors, config.free.share)
            self._lut = drivable_lut([classes.index(name) for name in config.free.classes])

    def measure(
        self, frame: Frame, segmentation: Segmentation, view: CameraGeometry, mount: MountConfig | None
    ) -> Region:
        """Count a frame's labels and which of them are uncertain. One that is not whole moves no smoothed share."""
        inside = segmentation.labels[self._box] | self._outside
        margins = None if segmentation.margins is None else segmentation.margins[self._box]
        found, uncertain = with_uncertain(inside, margins, self._classes)
        counts = class_counts(found, self._classes, self._pixels)
        now = shares(counts)
        smoothed = self.smoothed.follow(now, frame.captured_ns) if frame.whole else self.smoothed.held(now)
        if self._sectors is None:
            return Region(counts, smoothed, None, uncertain)
        free = self._sectors.measure(look_up(inside, self._lut), view, mount)
        return Region(counts, smoothed, free, uncertain)
