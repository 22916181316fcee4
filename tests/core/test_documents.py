"""The contract's JSON, key by key."""

from __future__ import annotations

import json

import numpy as np

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.documents import to_document
from edge_segnet.core.types import Drops, Flicker, Frame, FreeSpace, Origin, Region, Result, Segmentation, View


def make_result(low_margin: float | None = 0.02149) -> Result:
    counts = np.zeros(12, np.int64)
    counts[[0, 3, 11]] = [100, 190, 10]
    image, original = np.zeros((15, 20, 3), np.uint8), np.zeros((30, 41, 3), np.uint8)
    frame = Frame(image, original, 812, 10**9, 1795378443.12, "front")
    segmentation = Segmentation(
        np.zeros((15, 20), np.uint8), counts, low_margin, {"network": 8.04, "decode": 0.21}, classes=CAMVID_11
    )
    inside = np.zeros(12, np.int64)
    inside[[3, 4, 11]] = [81, 18, 1]
    smoothed = np.full(12, 0.25)
    regions = {
        "ahead": Region(inside, smoothed, FreeSpace((9, 4), (12.3456, 3.0), (-4.26, 4.26))),
        "left": Region(inside, smoothed),
    }
    return Result(
        frame,
        segmentation,
        View(CAMVID_11),
        "onnx",
        "segnet-lite",
        age_ms=41.66,
        dropped=Drops(late=3),
        origin=Origin("rtsp://cam/stream"),
        regions=regions,
        alarms=("road-lost",),
        flicker=Flicker(0.0123456, 0.001),
    )


def test_the_document_is_the_contracts() -> None:
    document = to_document(make_result())
    absent = {name: {"id": index, "pixels": 0, "share": 0.0} for index, name in enumerate(CAMVID_11.names)}
    present = {
        "Sky": {"id": 0, "pixels": 100, "share": 0.3333},
        "Road": {"id": 3, "pixels": 190, "share": 0.6333},
    }
    pixels = dict.fromkeys(CAMVID_11.names, 0) | {"Road": 81, "Pavement": 18}
    shares = dict.fromkeys(CAMVID_11.names, 0.0) | {"Road": 0.81, "Pavement": 0.18}
    smoothed = dict.fromkeys(CAMVID_11.names, 0.25)
    assert document == {
        "seq": 812,
        "camera": "front",
        "captured_at": "2026-11-22T20:14:03.120Z",
        "age_ms": 41.7,
        "stale": False,
        "synthetic": False,
        "source": "rtsp://cam/stream",
        "model": "segnet-lite",
        "backend": "onnx",
        "network_size": [20, 15],
        "source_size": [41, 30],
        "classes": absent | present,
        "void_pixels": 10,
        "low_margin": 0.0215,
        "regions": {"ahead": shares, "left": shares},
        "region_details": {
            "ahead": {
                "pixels": pixels,
                "void_pixels": 1,
                "smoothed": smoothed,
                "free": {"rows": [9, 4], "metres": [12.35, 3.0], "bearings_deg": [-4.3, 4.3]},
            },
            "left": {"pixels": pixels, "void_pixels": 1, "smoothed": smoothed, "free": None},
        },
        "alarms": ["road-lost"],
        "flicker": {"raw": 0.01235, "steady": 0.001},
        "stages_ms": {"network": 8.0, "decode": 0.2},
        "dropped": 3,
    }
    assert list(document["classes"]) == list(CAMVID_11.names)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_order_and_missing_margin() -> None:
    document = to_document(make_result(None))
    assert document["low_margin"] is None
    assert " ".join(document) == (
        "seq camera captured_at age_ms stale synthetic source model backend network_size source_size classes "
        "void_pixels low_margin regions region_details alarms flicker stages_ms dropped"
    )
