"""The contract's JSON, key by key."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11, CITYSCAPES_19
from edge_segnet.core.documents import EventDocument, ResultDocument, StatusDocument, result_document
from edge_segnet.core.documents.schema import result_schema, viewer_schema
from edge_segnet.core.types import Drops, Flicker, Frame, FreeSpace, Origin, Region, Result, Segmentation, View


def make_result(low_margin: float | None = 0.02149) -> Result:
    counts = np.zeros(12, np.int64)
    counts[[0, 3, 11]] = [100, 190, 10]
    uncertain = np.zeros(11, np.int64)
    uncertain[[0, 3]] = [7, 19]
    image, original = np.zeros((15, 20, 3), np.uint8), np.zeros((30, 41, 3), np.uint8)
    frame = Frame(image, original, 812, 10**9, 1795378443.12, "front")
    segmentation = Segmentation(
        np.zeros((15, 20), np.uint8),
        counts,
        low_margin,
        {"network": 8.04, "decode": 0.21},
        uncertain,
        classes=CAMVID_11,
        unfamiliar=0.08012,
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
        dropped=Drops(3, 2, 1),
        origin=Origin("rtsp://cam/stream"),
        regions=regions,
        alarms=("road-lost",),
        flicker=Flicker(0.0123456, 0.001),
    )


def test_a_damaged_picture_is_marked() -> None:
    """As ``on_damage: flag`` delivers it; and what is read back is what was written."""
    result = make_result()
    document = result_document(replace(result, frame=replace(result.frame, whole=False)))
    assert document.to_dict()["damaged"] is True and b'"damaged":true' in document.to_json()
    assert ResultDocument.model_validate_json(document.to_json()).damaged
    assert "damaged" not in result_document(result).to_dict()


def test_the_document_is_the_contracts() -> None:
    document = result_document(make_result()).to_dict()
    absent = {
        name: {"id": index, "pixels": 0, "share": 0.0, "uncertain": 0.0} for index, name in enumerate(CAMVID_11.names)
    }
    present = {
        "Sky": {"id": 0, "pixels": 100, "share": 0.3333, "uncertain": 0.07},
        "Road": {"id": 3, "pixels": 190, "share": 0.6333, "uncertain": 0.1},
    }
    pixels = dict.fromkeys(CAMVID_11.names, 0) | {"Road": 81, "Pavement": 18}
    shares = dict.fromkeys(CAMVID_11.names, 0.0) | {"Road": 0.81, "Pavement": 0.18}
    smoothed = dict.fromkeys(CAMVID_11.names, 0.25)
    assert document == {
        "schema": 2,
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
        "unfamiliar": 0.0801,
        "regions": {"ahead": shares, "left": shares},
        "region_details": {
            "ahead": {
                "pixels": pixels,
                "void_pixels": 1,
                "uncertain": None,
                "smoothed": smoothed,
                "free": {"rows": [9, 4], "metres": [12.35, 3.0], "bearings_deg": [-4.3, 4.3]},
            },
            "left": {"pixels": pixels, "void_pixels": 1, "uncertain": None, "smoothed": smoothed, "free": None},
        },
        "alarms": ["road-lost"],
        "flicker": {"raw": 0.01235, "steady": 0.001},
        "stages_ms": {"network": 8.0, "decode": 0.2},
        "dropped": {"late": 3, "skipped": 2, "damaged": 1},
    }
    assert list(document["classes"]) == list(CAMVID_11.names)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_order_and_missing_margin() -> None:
    document = result_document(make_result(None)).to_dict()
    assert document["low_margin"] is None
    assert " ".join(document) == (
        "schema seq camera captured_at age_ms stale synthetic source model backend network_size source_size classes "
        "void_pixels low_margin unfamiliar regions region_details alarms flicker stages_ms dropped"
    )


def test_what_is_not_known_is_null_and_empty_regions_are_left_out() -> None:
    plain = make_result(None)
    segmentation = replace(plain.segmentation, uncertain=None, unfamiliar=None)
    document = result_document(replace(plain, segmentation=segmentation, regions={})).to_dict()
    assert document["unfamiliar"] is None and {row["uncertain"] for row in document["classes"].values()} == {None}
    assert not {"regions", "region_details"} & document.keys()


def test_the_document_is_what_its_schemas_say() -> None:
    document = result_document(make_result())
    assert ResultDocument.model_validate_json(document.to_json()) == document
    assert "regions" not in ResultDocument.model_json_schema()["required"]
    told = result_schema(CAMVID_11)
    assert told["properties"].keys() == document.to_dict().keys() | {"damaged"}
    assert "$ref" not in json.dumps(told) and "anyOf" not in json.dumps(told)
    for schema in (told, viewer_schema(StatusDocument, "s"), viewer_schema(EventDocument, "e")):
        assert all("type" in each for each in schema["properties"].values()), schema["title"]
        assert "schema" in schema["properties"]


def test_a_class_map_of_another_length_cannot_be_told() -> None:
    plain = make_result()
    with pytest.raises(IndexError):
        result_document(replace(plain, view=View(CITYSCAPES_19)))
