"""``edge-segnet service``: install it as a systemd service, look at it, take it away."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from edge_segnet.cli.command import LazyGroup, add, announce, group
from edge_segnet.cli.options import Settings
from edge_segnet.core.errors import UsageError

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@dataclass(frozen=True)
class Install:
    """Install, enable and start the service, and wait until it is ready. Twice is once.

    Without --source and --config: the settings that are there, or the example for this board.

    What does not become ready is taken back. Files that were changed by hand are kept, the new ones laid beside them.

        sudo edge-segnet service install --source rtsp://camera/stream

        sudo edge-segnet service install --config mine.yaml --dry-run
    """

    source: Annotated[
        str | None, typer.Option(metavar="URI", help="The camera: csi://0, 0, /dev/v4l/by-id/..., rtsp://..., a file.")
    ] = None
    config: Settings = None
    jetson: Annotated[
        bool | None, typer.Option("--jetson/--pc", help="With a Jetson's GPU and cameras, or without; left out: looks.")
    ] = None
    token: Annotated[
        bool, typer.Option("--token", help="Make a token, and let who has it watch from other machines.")
    ] = False
    openvino: Annotated[
        bool, typer.Option("--openvino", help="Let OpenVINO make machine code under the unit, so that it can serve.")
    ] = False
    dry_run: DryRun = False

    def run(self) -> None:
        """Plan, then say it or do it; errors as ``install.service.plan`` and ``carry_out``.

        Raises:
            UsageError: flags that exclude each other, or not root.
        """
        from edge_segnet.doctor.place import Place
        from edge_segnet.install import machine, report
        from edge_segnet.install import service as steps

        if self.source is not None and self.config is not None:
            raise UsageError(
                "--source and --config exclude each other", hint="name the camera in the file, or leave it out"
            )
        if not self.dry_run:
            machine.need_root(_again())
        request = steps.Request(self.source, self.config, self.jetson, self.token, self.openvino)
        plan = steps.plan(request, Place())
        if self.dry_run:
            lines = plan.lines or ["nothing: it is installed, and it runs"]
        else:
            steps.carry_out(plan, typer.echo)
            lines = report.where_to_look()
        for line in lines:
            typer.echo(line)


@dataclass(frozen=True)
class Status:
    """Does it run, since when, with which settings, and where is its dashboard?

    Exit code 0 if it is ready, otherwise as "edge-segnet doctor" has it.
    """

    def run(self) -> int:
        """Say it; the exit code."""
        from edge_segnet.doctor.place import Place
        from edge_segnet.install import report

        lines, code = report.status(Place())
        for line in lines:
            typer.echo(line)
        return code


@dataclass(frozen=True)
class Uninstall:
    """Stop the service and remove what was installed. Settings and recordings stay.

    sudo edge-segnet service uninstall
    """

    purge: Annotated[bool, typer.Option("--purge", help="Settings, recordings, engines and the user, too.")] = False
    dry_run: DryRun = False

    def run(self) -> None:
        """Do it, or say it; errors as ``install.removal.uninstall``, and UsageError for others than root."""
        from edge_segnet.doctor.place import Place
        from edge_segnet.install import machine, removal

        if not self.dry_run:
            machine.need_root(_again())
        removal.uninstall(Place(), typer.echo, purge=self.purge, dry_run=self.dry_run)


@dataclass(frozen=True)
class Configure:
    """What the package's own scripts call after unpacking it."""

    def run(self) -> None:
        """Errors as ``install.package.configure``; UsageError for others than root."""
        from edge_segnet.doctor.place import Place
        from edge_segnet.install import machine, package

        machine.need_root(_again())
        package.check_called_by_package(Place())
        package.configure(Place(), typer.echo)


def _again() -> str:
    """The command as it was given, to be given again."""
    return shlex.join(sys.argv[1:])


app = group("The systemd service of this machine.", cls=LazyGroup)
add(app, "install", Install)
add(app, "status", Status)
add(app, "uninstall", Uninstall)
announce(app, "model", "service_model", "Have the running service serve another model, tried on live frames.")
add(app, "configure", Configure, hidden=True)
