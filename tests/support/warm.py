"""Loaded into the fork server (``support.command``): what a command imports late, so that a test pays for it once."""

from __future__ import annotations

import contextlib
import io

import pytest  # noqa: F401 - the parent's main module, which every child would import
import rich.progress
import rich.table  # noqa: F401

from edge_segnet.cli.main import app
from edge_segnet.graph.model_files import shipped_models

with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    shipped_models()
    app(["segment", "--help"], standalone_mode=False)
