"""One result as JSON, the same for every way out (contract: "One result, serialised the same way everywhere")."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.stats import shares
from edge_segnet.core.types import Counts, Flicker, Region, Result


def to_document(result: Result) -> dict[str, Any]:
    """A JSON-ready dict, as of now. Shares are rounded to 0.0001, times to 0.1 ms."""
    frame, segmentation, classes = result.frame, result.segmentation, result.view.classes
    height, width = segmentation.labels.shape
    captured = datetime.fromtimestamp(frame.captured_at, timezone.utc)
    low_margin = segmentation.low_margin
    return {
        "seq": frame.seq,
        "camera": frame.camera,
        "captured_at": captured.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "age_ms": round(result.age_now_ms, 1),
        "stale": result.stale,
        "synthetic": frame.synthetic,
        "source": result.origin.shown,
        "model": result.model,
        "backend": result.backend,
        "network_size": [width, height],
        "source_size": list(frame.source_size),
        "classes": class_document(segmentation.counts, classes),
        "void_pixels": int(segmentation.counts[len(classes)]),
        "low_margin": None if low_margin is None else round(low_margin, 4),
        "regions": {name: _shares(region.counts, classes) for name, region in result.regions.items()},
        "region_details": {name: _details(region, classes) for name, region in result.regions.items()},
        "alarms": list(result.alarms),
        "flicker": None if result.flicker is None else _flicker(result.flicker),
        "stages_ms": {stage: round(time_ms, 1) for stage, time_ms in segmentation.stages_ms.items()},
        "dropped": result.dropped.total,
    }


def class_document(counts: Counts, classes: ClassMap) -> dict[str, dict[str, Any]]:
    """Name -> id, pixels and share, in class-map order, absent classes with 0; ``counts`` is int64 [C+1]."""
    share = shares(counts)
    return {
        name: {"id": index, "pixels": int(counts[index]), "share": round(float(share[index]), 4)}
        for index, name in enumerate(classes.names)
    }


def _shares(counts: Counts, classes: ClassMap) -> dict[str, float]:
    share = shares(counts)
    return {name: round(float(share[index]), 4) for index, name in enumerate(classes.names)}


def _details(region: Region, classes: ClassMap) -> dict[str, Any]:
    """What the contract's ``regions`` has no place for: pixels, smoothed shares, free distance."""
    free = region.free
    return {
        "pixels": {name: int(region.counts[index]) for index, name in enumerate(classes.names)},
        "void_pixels": int(region.counts[len(classes)]),
        "smoothed": {name: round(float(region.smoothed[index]), 4) for index, name in enumerate(classes.names)},
        "free": None
        if free is None
        else {
            "rows": list(free.rows),
            "metres": None if free.metres is None else [round(metres, 2) for metres in free.metres],
            "bearings_deg": None if free.bearings_deg is None else [round(angle, 1) for angle in free.bearings_deg],
        },
    }


def _flicker(flicker: Flicker) -> dict[str, float | None]:
    return {
        "raw": round(flicker.raw, 5),
        "steady": None if flicker.steady is None else round(flicker.steady, 5),
    }
