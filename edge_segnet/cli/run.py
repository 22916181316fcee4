"""``edge-segnet run`` and ``edge-segnet config``."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

from edge_segnet.board.notify import Notifier
from edge_segnet.core import uris
from edge_segnet.core.errors import ModelError
from edge_segnet.core.logs import service_logging
from edge_segnet.core.types import Sink
from edge_segnet.service import model
from edge_segnet.service.life import Daemon, Origin
from edge_segnet.service.sinks import SinkManager
from edge_segnet.service.state import State
from edge_segnet.settings import load as config_file
from edge_segnet.settings.load import Change
from edge_segnet.settings.schema import Config, json_schema
from edge_segnet.sources import describe

logger = logging.getLogger(__name__)
INTERRUPTED: Final = 130


def run(
    config: Path | None,
    source: str | None,
    model: str | None,
    backend: str | None,
    size: str | None,
    colours: Path | None,
    settings: Sequence[str],
    *,
    display: bool,
    check: bool,
    refuse_synthetic: bool,
) -> None:
    """Serve until a signal comes or every source has ended.

    Raises:
        EdgeSegnetError: as ``Daemon.run``; SettingsError for the settings.
    """
    changes = [config_file.parse_setting(text) for text in settings]
    flags = {"model": model, "backend": backend, "size": size, "colours": colours and str(colours)}
    changes += [Change(key, value, f"--{key}") for key, value in flags.items() if value is not None]

    def reread() -> Config:
        read = config_file.load(config, changes, source)
        if refuse_synthetic:
            _refuse_synthetic(read)
        return read

    first = reread()
    if source is not None and uris.parse(source).kind == "path":
        describe(source)  # a file that isn't there is a mistake; a camera may come later
    if check:
        _check(first, config)
        return
    service_logging(first.log.level, first.log.format, "JOURNAL_STREAM" in os.environ)
    from_file = config is not None and model is None
    origin = Origin(reread, config, wait_for_model=from_file)
    daemon = Daemon(first, origin, Notifier(), _window(lambda: daemon) if display else {})
    ended_by = _on_signals(daemon)
    daemon.run()
    if ended_by() == signal.SIGINT:
        sys.exit(INTERRUPTED)


def _window(daemon: Callable[[], Daemon]) -> dict[str, Sink]:
    """The 2015 demo's window; closing it ends the service.

    Raises:
        OutputError: there is no screen, or no pygame.
    """
    from edge_segnet.sinks.display import Display

    window = Display(on_quit=lambda: daemon().stop())
    return {"display": window}


def _refuse_synthetic(config: Config) -> None:
    for name, camera in config.cameras.items():
        if camera.source is not None and uris.parse(camera.source).kind == "synthetic":
            hint = "--refuse-synthetic was given, so that no robot drives by a rendered street; name a real source"
            raise config.error(("cameras", name, "source"), f"{camera.source} is not a camera", hint)


def _check(config: Config, path: Path | None) -> None:
    """Say that the settings are good: also that tokens can be read, the sinks can work here, and the model has the
    rules' classes.
    """
    outlets = SinkManager(State(), {})
    outlets.check(config)
    outlets.close()
    if config.regions:
        try:
            model.check_regions(config)
        except ModelError as error:  # it may come later
            logger.warning("classes of regions and rules were not checked: %s", error)
    names = ", ".join(config.cameras)
    logger.info("%s: good (model %s, cameras: %s)", path or "the defaults", config.model, names)


def _on_signals(daemon: Daemon) -> Callable[[], int | None]:
    """TERM and INT end the daemon, a second one ends it at once; HUP reloads, USR1 has the flight recorder write.
    Gives the signal that ended it.
    """
    got: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        if got:
            os._exit(128 + number)
        got.append(number)
        daemon.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, lambda _number, _frame: daemon.reload())
    signal.signal(signal.SIGUSR1, lambda _number, _frame: daemon.record())
    return lambda: got[0] if got else None


def print_schema() -> None:
    """The JSON schema of the settings file, on standard output."""
    document: dict[str, Any] = json_schema()
    print(json.dumps(document, indent=2))  # noqa: T201
