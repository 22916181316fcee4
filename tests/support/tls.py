"""A certificate for this machine, made on the spot."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.programs import needed


def self_signed(folder: Path) -> tuple[Path, Path]:
    """(certificate, key) as PEM files, for localhost and 127.0.0.1; skips the test where there is no openssl."""
    needed("openssl")
    pair = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-out", str(pair[0]), "-keyout", str(pair[1]), "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return pair
