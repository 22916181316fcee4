"""One segmented frame as JSON (contract of every way out: HTTP, MQTT, MCAP, JSON lines, ``segment --json``)."""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.documents.base import Count, Document, DroppedDocument, Share, Size, Versioned, utc
from edge_segnet.core.stats import shares
from edge_segnet.core.types import Counts, Flicker, FreeSpace, Region, Result


class ClassDocument(Document):
    """One class in one frame."""

    id: int
    pixels: Annotated[int, Field(ge=0, description="at network size")]
    share: Annotated[float, Field(ge=0.0, le=1.0, description="of all pixels")]
    uncertain: Annotated[
        Share | None, Field(description="share of its pixels that were nearly another class; null: not known")
    ]


class FreeDocument(Document):
    """How far drivable ground reaches up from a region's lower edge, per sector from left to right."""

    rows: Annotated[list[int], Field(description="at network size")]
    metres: Annotated[list[float] | None, Field(description="along the ground; null: the camera's mount is unknown")]
    bearings_deg: Annotated[list[float] | None, Field(description="of the sectors' middles, right is positive")]


class RegionDocument(Document):
    """One region in one frame."""

    pixels: Annotated[dict[str, Count], Field(description="every class, at network size")]
    void_pixels: Count
    uncertain: Annotated[
        dict[str, Share] | None,
        Field(description="of every class's pixels, the share that were nearly another; null: not known"),
    ]
    smoothed: Annotated[dict[str, Share], Field(description="shares, over time")]
    free: FreeDocument | None


class FlickerDocument(Document):
    """Share of pixels that left their class for one frame and came back, over the last second."""

    raw: Share
    steady: Annotated[Share | None, Field(description="after the filter in time; null without one")]


class ResultDocument(Versioned):
    """One segmented frame."""

    seq: int
    camera: str
    captured_at: Annotated[str, Field(description="UTC, ISO 8601")]
    age_ms: Annotated[float, Field(description="from capture until now")]
    stale: Annotated[bool, Field(description="too old to be acted on, or its camera is gone")]
    synthetic: bool
    damaged: Annotated[bool, Field(description="not to be believed (``on_damage: flag``); left out if false")] = False
    source: Annotated[str, Field(description="without credentials")]
    model: str
    backend: str
    network_size: Size
    source_size: Size
    classes: Annotated[dict[str, ClassDocument], Field(description="every class, in the model's order")]
    void_pixels: Count
    low_margin: Annotated[Share | None, Field(description="share of pixels that were nearly another class")]
    unfamiliar: Annotated[Share | None, Field(description="how little the picture is like those of the training")]
    regions: dict[str, dict[str, Share]] = Field(
        default_factory=dict, description="region: class: share; left out if empty"
    )
    region_details: dict[str, RegionDocument] = Field(default_factory=dict, description="left out if empty")
    alarms: Annotated[list[str], Field(description="rules that are on")]
    flicker: FlickerDocument | None
    stages_ms: dict[str, float]
    dropped: DroppedDocument

    def _left_out(self) -> set[str] | None:
        # Parquet has no empty structs.
        absent = set() if self.regions else {"regions", "region_details"}
        return absent if self.damaged else {*absent, "damaged"}


def result_document(result: Result) -> ResultDocument:
    """As of now: ``age_ms`` and ``stale`` are judged here. Shares are rounded to 0.0001, times to 0.1 ms."""
    frame, segmentation, classes = result.frame, result.segmentation, result.view.classes
    height, width = segmentation.labels.shape
    return ResultDocument(
        seq=frame.seq,
        camera=frame.camera,
        captured_at=utc(frame.captured_at),
        age_ms=round(result.age_now_ms, 1),
        stale=result.stale,
        synthetic=frame.synthetic,
        damaged=not frame.whole,
        source=result.origin.shown,
        model=result.model,
        backend=result.backend,
        network_size=[width, height],
        source_size=list(frame.source_size),
        classes=class_documents(segmentation.counts, segmentation.uncertain, classes),
        void_pixels=int(segmentation.counts[len(classes)]),
        low_margin=_rounded(segmentation.low_margin),
        unfamiliar=_rounded(segmentation.unfamiliar),
        regions={name: _named(shares(region.counts), classes) for name, region in result.regions.items()},
        region_details={name: _region(region, classes) for name, region in result.regions.items()},
        alarms=list(result.alarms),
        flicker=None if result.flicker is None else _flicker(result.flicker),
        stages_ms={stage: round(time_ms, 1) for stage, time_ms in segmentation.stages_ms.items()},
        dropped=DroppedDocument.of(result.dropped),
    )


def class_documents(counts: Counts, uncertain: Counts | None, classes: ClassMap) -> dict[str, ClassDocument]:
    """Every class by name, in class-map order, absent ones with 0; ``counts`` int64 [C+1], ``uncertain`` int64 [C]."""
    pixels, share = counts.tolist(), shares(counts).tolist()
    unsure = [None] * len(classes) if uncertain is None else (uncertain / counts[:-1].clip(1)).tolist()
    # Rows made into documents at once: one by one they would take as long as all the rest.
    return _CLASSES.validate_python(
        {
            name: {
                "id": index,
                "pixels": pixels[index],
                "share": round(share[index], 4),
                "uncertain": _rounded(unsure[index]),
            }
            for index, name in enumerate(classes.names)
        }
    )


_CLASSES: Final = TypeAdapter(dict[str, ClassDocument])


def _named(values: NDArray[np.float64], classes: ClassMap) -> dict[str, float]:
    return {name: round(value, 4) for name, value in zip(classes.names, values.tolist(), strict=False)}


def _region(region: Region, classes: ClassMap) -> RegionDocument:
    counts = region.counts.tolist()
    return RegionDocument(
        pixels=dict(zip(classes.names, counts, strict=False)),
        void_pixels=counts[len(classes)],
        uncertain=None if region.uncertain is None else _named(region.uncertain / region.counts[:-1].clip(1), classes),
        smoothed=_named(region.smoothed, classes),
        free=None if region.free is None else _free(region.free),
    )


def _free(free: FreeSpace) -> FreeDocument:
    return FreeDocument(
        rows=list(free.rows),
        metres=None if free.metres is None else [round(metres, 2) for metres in free.metres],
        bearings_deg=None if free.bearings_deg is None else [round(angle, 1) for angle in free.bearings_deg],
    )


def _flicker(flicker: Flicker) -> FlickerDocument:
    return FlickerDocument(
        raw=round(flicker.raw, 5), steady=None if flicker.steady is None else round(flicker.steady, 5)
    )


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
