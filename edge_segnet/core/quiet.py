"""What dependencies would do unasked, switched off before any of them is imported.

ONNX Runtime's newer wheels (1.32, for one) report graph names, error texts and a lasting device id to their maker, and
keep a database of them in the cache folder. Their ``disable_telemetry_events()`` comes too late, the import begins it.
The package's ``__init__`` calls this, so whatever is imported through us, also in a child process, is quiet.
"""

from __future__ import annotations

import os
from typing import Final

SWITCHES: Final = {
    "ORT_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",  # consoledonottrack.com: what a dependency of tomorrow may ask for
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",  # pygame greets on standard output, where our JSON goes
}


def keep() -> None:
    """Set the switches that nobody has set; who wants a dependency to report sets its variable to 0 himself."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
