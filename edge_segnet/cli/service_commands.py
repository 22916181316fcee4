"""The command line's page for the service: run, config, doctor. No logic, as in ``cli``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_segnet.cli.options import Json

settings_file = typer.Typer(help="The settings file of 'run'.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this page's commands to the program."""
    app.command()(run)
    app.command()(reload)
    app.add_typer(settings_file, name="config")
    settings_file.command()(schema)
    app.command()(doctor)


def run(
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings, in YAML.")] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="URI", help="csi://0, v4l2:///dev/video0, rtsp://..., http://..., a file, a folder."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="MODEL", help="A shipped NAME, an .onnx or an .engine.")
    ] = None,
    backend: Annotated[str | None, typer.Option(metavar="NAME", help="auto, onnx or tensorrt.")] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Network size; auto: what meets the rates.")] = None,
    colours: Annotated[Path | None, typer.Option(metavar="PNG", help="A 256x1 palette such as camvid12.png.")] = None,
    display: Annotated[bool, typer.Option("--display", help="Show a window too (extra 'display'); ESC ends.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, for example http.port=8081."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Check the settings and exit.")] = False,
    refuse_synthetic: Annotated[
        bool, typer.Option("--refuse-synthetic", help="End with an error if a source is rendered.")
    ] = False,
) -> None:
    """Serve: capture, segment, publish, newest frame first; dashboard, API and metrics over HTTP.

    Without arguments: the shipped model, the rendered street, http://127.0.0.1:8080.

    SIGHUP or a changed file reloads the settings, SIGTERM ends.

        edge-segnet run --source 0

        edge-segnet run --config /etc/edge-segnet/config.yaml

        edge-segnet run --source rtsp://camera/stream --set cameras.camera.rate=10

        edge-segnet run --model original.onnx --source 0 --colours camvid12.png --display
    """
    from edge_segnet.cli import run as command

    command.run(
        config,
        source,
        model,
        backend,
        size,
        colours,
        settings or [],
        display=display,
        check=check,
        refuse_synthetic=refuse_synthetic,
    )


def reload(
    wait: Annotated[bool, typer.Option("--wait", help="Tell how it ended, as the exit code and in a line.")] = False,
    timeout: Annotated[float, typer.Option(metavar="S", min=0.1, max=3600.0, help="Of --wait.")] = 50.0,
) -> None:
    """Have the running service read its settings again.

    The service is the one that systemd names ($MAINPID), else the one that keeps its state in $STATE_DIRECTORY.

    With --wait: exit code 0 when the new settings are at work, 2 with the reason when they were refused.

        edge-segnet reload --wait
    """
    from edge_segnet.cli import reload as command

    command.reload(wait=wait, timeout_s=timeout)


def schema() -> None:
    """Print the JSON schema of the settings file."""
    from edge_segnet.cli import run as command

    command.print_schema()


def doctor(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", metavar="FILE", help="Settings; left out: /etc/edge-segnet/config.yaml if any."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=1.0, max=600.0, help="Report after so long what has not answered.")
    ] = 7.0,
    json: Json = None,
) -> None:
    """Check this machine against the settings: what is here, what is wrong, what to do about it.

    GPU, TensorRT and engines, cameras, GStreamer, rights, disk, heat, ports, broker, the systemd unit. Changes nothing.

    With sudo it sees more: closed settings, other users' programs.

    Exit code 0, or the smallest that FAILs: 2 settings, 3 model, engine, GPU; 4 camera, port, broker, folder; 7 disk.

        edge-segnet doctor

        sudo edge-segnet doctor --config config.yaml --json report.json
    """
    from edge_segnet.cli import doctor as command

    command.run(config, timeout, json)
