"""A hint names the command that works here, since edge-segnet is on no public index."""

from __future__ import annotations

import shlex
import sys

from edge_segnet.core.errors import UsageError
from edge_segnet.core.extras import command, here


def test_a_hint_names_this_installations_command() -> None:
    hint = UsageError("no broker", hint="pip install 'edge-segnet[mqtt]', or leave it out").hint
    assert hint.endswith(", or leave it out")
    words = shlex.split(hint.removesuffix(", or leave it out"))
    assert words[-3:-1] == ["pip", "install"] and words[-1].startswith("paho-mqtt")
    assert sys.executable in words
    assert "mcap" in command("recording") and "foxglove-sdk" in command("recording")


def test_other_hints_stay() -> None:
    assert here("pip install numpy") == "pip install numpy"
    assert command("none-such") == "pip install 'edge-segnet[none-such]'"
