"""``edge-segnet service``: install it as a systemd service, look at it, take it away."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from edge_segnet.core.errors import UsageError

app = typer.Typer(help="The systemd service of this machine.", no_args_is_help=True, add_completion=False)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@app.command()
def install(
    source: Annotated[
        str | None, typer.Option(metavar="URI", help="The camera: csi://0, 0, /dev/v4l/by-id/..., rtsp://..., a file.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings, in YAML.")] = None,
    jetson: Annotated[
        bool | None, typer.Option("--jetson/--pc", help="With a Jetson's GPU and cameras, or without; left out: looks.")
    ] = None,
    token: Annotated[
        bool, typer.Option("--token", help="Make a token, and let who has it watch from other machines.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Install, enable and start the service, and wait until it is ready. Twice is once.

    Without --source and --config: the settings that are there, or the example for this board.

    What does not become ready is taken back. Files that were changed by hand are kept, the new ones laid beside them.

        sudo edge-segnet service install --source rtsp://camera/stream

        sudo edge-segnet service install --config mine.yaml --dry-run
    """
    from edge_segnet.doctor.place import Place
    from edge_segnet.install import machine, report
    from edge_segnet.install import service as steps

    if source is not None and config is not None:
        raise UsageError(
            "--source and --config exclude each other", hint="name the camera in the file, or leave it out"
        )
    if not dry_run:
        machine.need_root(_again())
    plan = steps.plan(steps.Request(source, config, jetson, token), Place())
    if dry_run:
        for line in plan.lines or ["nothing: it is installed, and it runs"]:
            typer.echo(line)
        return
    steps.carry_out(plan, typer.echo)
    for line in report.where_to_look():
        typer.echo(line)


@app.command()
def status() -> None:
    """Does it run, since when, with which settings, and where is its dashboard?

    Exit code 0 if it is ready, otherwise as "edge-segnet doctor" has it.
    """
    from edge_segnet.doctor.place import Place
    from edge_segnet.install import report

    lines, code = report.status(Place())
    for line in lines:
        typer.echo(line)
    sys.exit(code)


@app.command()
def uninstall(
    purge: Annotated[bool, typer.Option("--purge", help="Settings, recordings, engines and the user, too.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Stop the service and remove what was installed. Settings and recordings stay.

    sudo edge-segnet service uninstall
    """
    from edge_segnet.doctor.place import Place
    from edge_segnet.install import machine, removal

    if not dry_run:
        machine.need_root(_again())
    removal.uninstall(Place(), typer.echo, purge=purge, dry_run=dry_run)


@app.command(hidden=True)
def configure() -> None:
    """What the package's own scripts call after unpacking it."""
    from edge_segnet.doctor.place import Place
    from edge_segnet.install import machine, package

    machine.need_root(_again())
    package.check_called_by_package(Place())
    package.configure(Place(), typer.echo)


def _again() -> str:
    """The command as it was given, to be given again."""
    import shlex

    return shlex.join(sys.argv[1:])
