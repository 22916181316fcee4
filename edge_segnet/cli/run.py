"""``edge-segnet run``."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edge_segnet.cli.command import program
from edge_segnet.cli.options import Palette, Settings
from edge_segnet.core import threads, uris
from edge_segnet.core.files import keep_private
from edge_segnet.core.logs import service_logging
from edge_segnet.core.types import Sink
from edge_segnet.scene.events import EventLog
from edge_segnet.service import model, process
from edge_segnet.service.life import Daemon
from edge_segnet.service.reload import Origin
from edge_segnet.service.sinks import SinkManager
from edge_segnet.service.state import State
from edge_segnet.settings.load import Change, parse_setting
from edge_segnet.settings.schema import Config
from edge_segnet.sinks import registry
from edge_segnet.sources import describe, is_there

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """Serve: capture, segment, publish, newest frame first; dashboard, API and metrics over HTTP.

    Without arguments: the shipped model, the rendered street, http://127.0.0.1:8080.

    SIGHUP or a changed file reloads the settings, SIGTERM ends.

        edge-segnet run --source 0

        edge-segnet run --config /etc/edge-segnet/config.yaml

        edge-segnet run --source rtsp://camera/stream --set cameras.camera.rate=10

        edge-segnet run --model original.onnx --source 0 --colours camvid12.png --display
    """

    config: Settings = None
    source: Annotated[
        str | None,
        typer.Option(metavar="URI", help="csi://0, v4l2:///dev/video0, rtsp://..., http://..., a file, a folder."),
    ] = None
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="MODEL", help="A shipped NAME, an .onnx or an .engine.")
    ] = None
    backend: Annotated[str | None, typer.Option(metavar="NAME", help="auto, onnx, openvino or tensorrt.")] = None
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Network size; auto: what meets the rates.")] = None
    colours: Palette = None
    display: Annotated[bool, typer.Option("--display", help="Show a window too (extra 'display'); ESC ends.")] = False
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, for example http.port=8081."),
    ] = None
    check: Annotated[bool, typer.Option("--check", help="Check the settings and exit.")] = False
    refuse_synthetic: Annotated[
        bool, typer.Option("--refuse-synthetic", help="End with an error if a source is rendered.")
    ] = False

    def run(self) -> None:
        """Serve until a signal comes or every source has ended.

        Raises:
            EdgeSegnetError: as ``Daemon.run``; SettingsError for the settings.
        """
        keep_private()
        changes = [parse_setting(text) for text in (self.settings or [])]
        flags = {
            "model": self.model,
            "backend": self.backend,
            "size": self.size,
            "colours": self.colours and str(self.colours),
        }
        changes += [Change(key, value, f"--{key}") for key, value in flags.items() if value is not None]

        source = _as_path(self.source)

        def reread() -> Config:
            read = registry.load(self.config, changes, source)
            if self.refuse_synthetic:
                _refuse_synthetic(read)
            return read

        first = reread()
        if source is not None and uris.parse(source).kind == "path":
            describe(source)  # a file that isn't there is a mistake; a camera may come later
        from_file = self.config is not None and self.model is None
        if self.check:
            _check(first, self.config, wait_for_model=from_file)
            return
        service_logging(first.log.level, first.log.format, "JOURNAL_STREAM" in os.environ)
        origin = Origin(reread, self.config, wait_for_model=from_file)
        threads.watch_others()
        here = process.begin()
        daemon = Daemon(first, origin, here.notifier, _window(lambda: daemon) if self.display else {})
        here.serve(daemon)
        daemon.run()
        sys.exit(here.code)


def _as_path(source: str | None) -> str | None:
    """A source that is a file or folder here, so that nobody can take it for anything else."""
    return str(Path(source).absolute()) if source and is_there(Path(source)) else source


def _window(daemon: Callable[[], Daemon]) -> dict[str, Sink]:
    """The 2015 demo's window; closing it ends the service.

    Raises:
        OutputError: there is no screen, or no pygame.
    """
    from edge_segnet.sinks.display.sink import Display

    window = Display(on_quit=lambda: daemon().stop())
    return {"display": window}


def _refuse_synthetic(config: Config) -> None:
    for name, camera in config.cameras.items():
        if camera.source is not None and uris.parse(camera.source).kind == "synthetic":
            hint = "--refuse-synthetic was given, so that no robot drives by a rendered street; name a real source"
            raise config.error(("cameras", name, "source"), f"{camera.source} is not a camera", hint)


def _check(config: Config, path: Path | None, *, wait_for_model: bool) -> None:
    """Say that the settings are good: refuses what ``run`` would refuse, and needs neither cameras nor a GPU.

    Raises:
        EdgeSegnetError: as ``Daemon.run``.
    """
    SinkManager(State(EventLog(None)).told, {}).check(config)
    if wait_for_model and not model.is_there(config):
        logger.warning("%s: no such model yet; 'run' waits for it, and nothing of it was checked", config.model)
    else:
        model.check(config)
    names = ", ".join(config.cameras)
    logger.info("%s: good (model %s, cameras: %s)", path or "the defaults", config.model, names)


app = program("run", Run)
