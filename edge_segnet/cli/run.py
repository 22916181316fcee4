"""``edge-segnet run`` and ``edge-segnet config``."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge_segnet.core import uris
from edge_segnet.core.errors import ModelError
from edge_segnet.core.logs import service_logging
from edge_segnet.core.types import Sink
from edge_segnet.service import model, process
from edge_segnet.service.life import Daemon
from edge_segnet.service.reload import Origin
from edge_segnet.service.sinks import SinkManager
from edge_segnet.service.state import State
from edge_segnet.settings import load as config_file
from edge_segnet.settings.load import Change
from edge_segnet.settings.schema import Config, json_schema
from edge_segnet.sources import describe

logger = logging.getLogger(__name__)


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
    here = process.begin()
    daemon = Daemon(first, origin, here.notifier, _window(lambda: daemon) if display else {})
    here.serve(daemon)
    daemon.run()
    sys.exit(here.code)


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
    SinkManager(State(), {}).check(config)
    if config.regions:
        try:
            model.check_regions(config)
        except ModelError as error:  # it may come later
            logger.warning("classes of regions and rules were not checked: %s", error)
    names = ", ".join(config.cameras)
    logger.info("%s: good (model %s, cameras: %s)", path or "the defaults", config.model, names)


def print_schema() -> None:
    """The JSON schema of the settings file, on standard output."""
    document: dict[str, Any] = json_schema()
    print(json.dumps(document, indent=2))  # noqa: T201
