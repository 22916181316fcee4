"""The settings that an installation begins with: from a source, a file, an example, or those that are there."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_segnet.backends.model import read_model
from edge_segnet.core import uris
from edge_segnet.core.errors import SettingsError, UsageError
from edge_segnet.install import share
from edge_segnet.install.program import hidden
from edge_segnet.settings.schema import Config
from edge_segnet.sinks.registry import load

CONFIG: Final = Path("/etc/edge-segnet/config.yaml")
STATE: Final = Path("/var/lib/edge-segnet")
"""Where the service runs: relative names in the settings start there."""
TOKEN: Final = Path("/etc/edge-segnet/token")
CHECK_S: Final = 120.0
"""For the check, which opens the model in a process of its own; a busy board needs a minute for the imports."""
FIRST_LINE: Final = (
    '# Written by "edge-segnet service install". What else may stand here: edge-segnet config example NAME.\n'
)
OTHERS: Final = """
# Seen by other machines, which must show the token in /etc/edge-segnet/token.
http: {host: 0.0.0.0, port: 8080, auth: {token_credential: token}}
"""
ONLY_HERE: Final = """
# Seen from this machine only; "edge-segnet service install --token" opens it for others.
http: {host: 127.0.0.1, port: 8080}
"""


@dataclass(frozen=True)
class Wanted:
    """The text of config.yaml, and the token where a new one is to be made."""

    config: bytes
    token: bytes | None


def wanted(source: str | None, file: Path | None, *, jetson: bool, token: bool) -> Wanted:
    """What is to lie in /etc/edge-segnet.

    Raises:
        UsageError, SettingsError: it can't be read, or the service could not see what it names.
    """
    if source is not None:
        text = _from_source(source, jetson=jetson, open_to_others=token).encode()
    elif file is not None:
        text = _read(file)
    elif CONFIG.exists():
        text = _read(CONFIG)
    else:
        text = share.example("csi" if jetson else "usb").encode()
    return Wanted(text, _new_token() if token and not _has_token() else None)


def _from_source(source: str, *, jetson: bool, open_to_others: bool) -> str:
    parsed = uris.parse(source)
    lines = ["model: segnet-lite"]
    if jetson:
        lines.append(
            "# Not auto: on a robot an engine that can't be used must be noticed, and not be replaced by a slow CPU."
        )
    lines += [f"backend: {'tensorrt' if jetson else 'auto'}", "cameras:", "  front:"]
    if parsed.kind == "path":
        path = Path(source).absolute()
        if (place := hidden(path)) is not None:
            hint = "put it elsewhere, for example into /var/lib/edge-segnet"
            raise UsageError(f"--source {source}: the service can't see {place}", hint=hint)
        if not path.exists():
            raise UsageError(f"--source {source}: no such file", hint="name a file, a folder, or a camera")
        lines += [f"    source: {json.dumps(str(path))}", "    loop: true"]
    else:
        lines.append(f"    source: {json.dumps(source)}")
    return FIRST_LINE + "\n".join(lines) + "\n" + (OTHERS if open_to_others else ONLY_HERE)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except PermissionError as error:
        raise UsageError(f"{path}: only root may read it", hint="ask again with sudo") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", hint="name a file with settings") from error


def _new_token() -> bytes:
    return secrets.token_hex(32).encode() + b"\n"


def _has_token() -> bool:
    try:
        return TOKEN.stat().st_size > 0
    except PermissionError:
        return True
    except OSError:
        return False


def check(settings: Wanted) -> Config:
    """Ask the program itself, as the unit will start it, before anything is changed; raises SettingsError."""
    with tempfile.TemporaryDirectory(prefix="edge-segnet-") as folder:
        place = Path(folder)
        config = place / CONFIG.name
        config.write_bytes(settings.config)
        _hand_over_token(place / "token", settings.token)
        command = [sys.executable, "-m", "edge_segnet", "run", "--config", str(config), "--check", "--refuse-synthetic"]
        environment = os.environ | {"CREDENTIALS_DIRECTORY": folder, "STATE_DIRECTORY": folder}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, env=environment, timeout=CHECK_S, cwd=folder
            )
        except subprocess.TimeoutExpired as error:
            raise SettingsError(f"the settings were not checked within {CHECK_S:.0f} s", hint="look at them") from error
        read = load(config) if done.returncode == 0 else None
    if read is None:
        lines = [line for line in done.stderr.splitlines() if ": error: " in line] or done.stderr.splitlines()[-1:]
        words = (lines or [f"exit code {done.returncode}"])[-1].partition(": error: ")
        raise SettingsError((words[2] or words[0]).replace(f"{config}", CONFIG.name))
    _check_model(read.model)
    return read


def _check_model(name: str) -> None:
    """For a model that is not there the service would wait; raises ModelError in its words."""
    beside = STATE / name
    read_model(str(beside) if beside.is_file() else name)


def _hand_over_token(path: Path, new: bytes | None) -> None:
    """As systemd's LoadCredential= would."""
    path.touch(0o600)
    if new is not None:
        path.write_bytes(new)
    elif os.access(TOKEN, os.R_OK):
        path.write_bytes(TOKEN.read_bytes())
