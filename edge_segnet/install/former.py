"""What earlier versions laid without a record of it: SHA-256 of their files, by name. Who has one of these has not
changed it.
"""

from __future__ import annotations

from typing import Final

FORMER: Final[dict[str, tuple[str, ...]]] = {
    "edge-segnet.service": ("7e4d2cd2bd9b2b3b375a77cc6dae67c9b0d504f544b437d5507c52d1e1ffb2bd",),
    "edge-segnet-engine.service": ("1dae37f830b2a08f6d2c96a47ae8788a596804fba4c4df00112792023c6c508b",),
    "jetson.conf": ("6c608162ce603073c94f7f2c6b6f8ca263281ad77b29e021a5f614fa0f12f501",),
    "edge-segnet.conf": (
        "0f0cc6e2a97384194d31676f997225008521cde8ec2ade9b774f6ed52fc1d110",
        "047b590e960bebcedc566a41838be90ba8ff1f4a07804062ff7401ed62a9cd79",
    ),
}
"""Of 0.1.0, which was copied by hand."""
