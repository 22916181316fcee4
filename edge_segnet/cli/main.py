"""The command line: parses, prints, and turns errors into exit codes. No logic; heavy imports happen in commands."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer

from edge_segnet.cli import data_commands as cli_data
from edge_segnet.cli import files_commands as cli_files
from edge_segnet.cli import models_commands as cli_models
from edge_segnet.cli import service as cli_install
from edge_segnet.cli import service_commands as cli_service
from edge_segnet.core.errors import EdgeSegnetError
from edge_segnet.core.logs import OneLine, StandardError
from edge_segnet.service import process

EXIT_CODES = (
    "Exit codes: 0 done; 1 a bug of ours; 2 usage or config; 3 model or engine unusable; 4 input, camera or output "
    "unusable; 5 some inputs failed, the rest is done; 6 GPU lost (a restart may help); 7 a budget or threshold was "
    "missed; 130 and 143 interrupted."
)

_BAD_ARGUMENTS: type[Exception] = typer.BadParameter.__mro__[2]
"""Click's ``ClickException``; newer typers carry a click of their own."""

app = typer.Typer(
    name="edge-segnet",
    help="Real-time SegNet segmentation: pictures, videos and cameras in; class maps, colours and statistics out.",
    epilog=EXIT_CODES,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _prepare() -> None:
    """Standard error for people, and tidy ends on signals."""
    if sys.stderr is not None:
        # A descriptor of our own: descriptor 2 is silenced while a picture is decoded (imaging.quiet_decoders).
        sys.stderr = os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1)
    handler = StandardError()
    handler.setFormatter(OneLine("edge-segnet: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    warnings.showwarning = lambda message, *_args, **_more: logging.getLogger(__name__).warning("warning: %s", message)
    # Unwinding removes temporary files; 128 + N is what a shell reports for a signal.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # not under nohup
            signal.signal(number, lambda got, _frame: sys.exit(128 + got))


def main() -> NoReturn:
    """Entry point: runs a command; every expected error becomes one line and its exit code."""
    _prepare()
    if sys.argv[1:2] == ["run"]:
        process.begin()  # before anything slow is imported
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="edge-segnet", standalone_mode=False)
    except EdgeSegnetError as error:
        code = _fail(str(error), error.exit_code)
    except _BAD_ARGUMENTS as error:
        code = _fail(_usage(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except OSError as error:
        # Files are checked where they are opened; this is standard output, full or closed.
        code = _fail(f"{error.filename or 'standard output'}: {error.strerror or error}", 4)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # noqa: BLE001 - a bug of ours, told as such
        sys.excepthook(*sys.exc_info())
        code = 1
    process.leave(code or 0)


def _fail(message: str, code: int) -> int:
    logging.getLogger(__name__).error("error: %s", message)
    return code


def _usage(error: Any) -> str:
    path = error.ctx.command_path if getattr(error, "ctx", None) else "edge-segnet"
    return f"{error.format_message().strip().rstrip('.')}: see {path} --help"


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"edge-segnet {version('edge-segnet')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


for page in (cli_service, cli_install, cli_files, cli_models, cli_data):
    page.register(app)
