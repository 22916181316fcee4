"""A model by name or path, at the size and in the colours that were asked for."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from edge_segnet.backends import read_model
from edge_segnet.core.errors import UsageError
from edge_segnet.core.size import parse_size
from edge_segnet.graph import bundle as bundles
from edge_segnet.graph.bundle import Bundle
from edge_segnet.pictures.palettes import recoloured

logger = logging.getLogger(__name__)


def open_model(model: str, size: str | None = None, colours: Path | None = None) -> Bundle:
    """Load a model, at another network size and with other colours if asked; says its licence in one log line.

    Raises:
        ModelError: it is missing, damaged or can't have that size.
        UsageError, InputError: the size or palette is wrong.
    """
    bundle = read_model(model)
    if size is not None:
        bundle = resized(bundle, parse_size(size))
    if colours is not None:
        bundle = dataclasses.replace(bundle, classes=recoloured(bundle.classes, colours))
    if bundle.licence:
        logger.info("%s: %s", bundle.name, bundle.licence)
    return bundle


def resized(bundle: Bundle, size: tuple[int, int]) -> Bundle:
    """The same model at the network size (width, height) that --size asks for; raises UsageError, ModelError."""
    from edge_segnet.graph.build import MIN_SIZE

    if min(size) < MIN_SIZE:
        raise UsageError(f"--size {size[0]}x{size[1]} is too small", hint=f"use at least {MIN_SIZE}x{MIN_SIZE}")
    return bundles.resized(bundle, size)
