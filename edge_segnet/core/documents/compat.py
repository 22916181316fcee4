"""What edge-segnet 0.1 sent, for receivers that still expect it (``mqtt: {compat: 1}``)."""

from __future__ import annotations

import json

from edge_segnet.core.documents.result import result_document
from edge_segnet.core.types import Result


def result_0_1(result: Result) -> bytes:
    """One result as 0.1 had it: one sum of dropped frames, the backend without its precision, no uncertainty."""
    document = result_document(result).to_dict()
    del document["schema"], document["unfamiliar"]
    for told in document["classes"].values():
        del told["uncertain"]
    document["backend"] = result.backend.partition("-")[0]
    document["dropped"] = result.dropped.total
    return json.dumps({"regions": {}, "region_details": {}, **document}, separators=(",", ":")).encode()
