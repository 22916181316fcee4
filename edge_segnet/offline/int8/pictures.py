"""The pictures that a model is calibrated with."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from edge_segnet.core.errors import BadFrame, EndOfStream, InputError, SourceLost
from edge_segnet.core.size import squeeze_note
from edge_segnet.core.types import Frame, Source
from edge_segnet.core.uris import parse, without_credentials
from edge_segnet.graph.model_files import ModelCard
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import describe, is_there, open_camera, open_source

logger = logging.getLogger(__name__)
FEWEST: Final = 8
"""Pictures; with fewer a single one would decide what a map can hold."""
WAIT_S: Final = 10.0
"""For a camera's next frame."""
_STEP: Final = 15
"""Of a source without an end one frame in so many is taken: at 30 frames/s two a second, which differ."""
_ALIKE: Final = 1.0
"""Grey levels by which pictures differ on average that show the same."""
_THUMB: Final = 8
"""Of so many pixels one is compared, where it is asked whether all pictures are alike."""


def read_pictures(uri: str, card: ModelCard, count: int) -> list[Frame]:
    """At most ``count`` frames of a picture, folder, video, recording or camera, evenly taken, as the network sees
    them; broken ones are told and left out.

    Raises:
        InputError: nothing is there, fewer than ``FEWEST`` frames, or all of them alike.
    """
    source, step = _open(uri, card, count)
    frames: list[Frame] = []
    number = bad = 0
    try:
        while len(frames) < count:
            try:
                frame = source.read(WAIT_S)
            except BadFrame as error:
                logger.warning("skipped %s", error)
                bad += 1
                continue
            except SourceLost as lost:
                logger.warning("%s", lost)
                break
            except EndOfStream:
                break
            if frame is None:
                raise InputError(f"{without_credentials(uri)}: no frame in {WAIT_S:g} s")
            if number % step == 0:
                frames.append(replace(frame, original=None, scaled_from=frame.source_size))
            number += 1
    finally:
        source.close()
    _check(frames, bad, without_credentials(uri))
    if card.fit == "stretch" and (note := squeeze_note(frames[0].source_size, card.size)):
        logger.warning("note: %s", note)
    return frames


def _open(uri: str, card: ModelCard, count: int) -> tuple[Source, int]:
    """A source, and which frames of it to take: every so many."""
    if not is_there(Path(uri)) and parse(uri).live:
        return open_camera(CameraConfig(source=uri), "calibration", card.size, card.fit), _STEP
    found = describe(uri)
    if found.kind == "images":  # those that are not wanted need not be decoded
        step = max(1, len(found.files) // count)
        return open_source(replace(found, files=found.files[::step]), card.size, card.fit), 1
    source = open_source(found, card.size, card.fit, paced=False)
    return source, _STEP if source.length is None else max(1, source.length // count)


def _check(frames: list[Frame], bad: int, where: str) -> None:
    if len(frames) < FEWEST:
        broken = f" and {bad} broken" if bad else ""
        raise InputError(
            f"{where}: {len(frames)} pictures{broken}, too few to calibrate with",
            hint=f"give at least {FEWEST}, better 100, of what the camera will see",
        )
    thumbs = [frame.image[::_THUMB, ::_THUMB].astype(np.int16) for frame in frames]
    if max(float(np.abs(thumb - thumbs[0]).mean()) for thumb in thumbs[1:]) < _ALIKE:
        raise InputError(f"{where}: all {len(frames)} pictures are alike", hint="take them where the camera will move")
