"""Programs that some tests call; a machine without them skips those tests and says why."""

from __future__ import annotations

import shutil
from typing import Final

import pytest

PACKAGES: Final = {
    "mosquitto_passwd": "mosquitto",
    "g++": "g++",
    "Xvfb": "xvfb",
    "gst-launch-1.0": "gstreamer1.0-tools",
    "systemd-analyze": "systemd",
}
"""Debian's, where they are called otherwise than their program."""


def needed(*names: str) -> None:
    """Skip the test where one of these programs is not on the PATH."""
    for name in names:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed (Debian: apt install {PACKAGES.get(name, name)})")
