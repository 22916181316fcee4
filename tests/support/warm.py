"""Loaded into the fork server (``support.command``): what a command imports late, so that a test pays for it once."""

from __future__ import annotations

import contextlib
import io

import cv2
import pytest  # noqa: F401 - the parent's main module, which every child would import
import rich.progress
import rich.table  # noqa: F401

from edge_segnet.cli.main import app
from edge_segnet.graph.model_files import shipped_models
from edge_segnet.street.atlas import atlas_of

with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    shipped_models()
    cv2.setNumThreads(1)  # a pool of threads does not survive the fork: a child that ends it waits for ever
    atlas_of(0)
    cv2.setNumThreads(-1)
    app(["segment", "--help"], standalone_mode=False)
