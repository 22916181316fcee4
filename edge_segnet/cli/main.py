"""The command line: finds the command, and turns errors into exit codes."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from typing import Annotated, Any, Final, NoReturn

import typer

from edge_segnet.backends import ahead
from edge_segnet.cli.command import LazyGroup, announce
from edge_segnet.core.errors import EdgeSegnetError
from edge_segnet.core.logs import OneLine, StandardError
from edge_segnet.service import process

EXIT_CODES = (
    "Exit codes: 0 done; 1 a bug of ours; 2 usage or config; 3 model or engine unusable; 4 input, camera or output "
    "unusable; 5 some inputs failed, the rest is done; 6 GPU lost (a restart may help); 7 a budget or threshold was "
    "missed; 130 and 143 interrupted."
)

COMMANDS: Final = {
    "run": ("run", "Serve: capture, segment, publish, newest frame first; dashboard, API and metrics over HTTP."),
    "reload": ("reload", "Have the running service read its settings again."),
    "config": ("config", "The settings file of 'run'."),
    "doctor": ("doctor", "Check this machine against the settings: what is here, what is wrong, what to do about it."),
    "service": ("service", "The systemd service of this machine."),
    "segment": ("segment", "Segment pictures, videos or a camera into pictures and videos."),
    "evaluate": (
        "evaluate",
        "Score a model on labelled pictures: accuracy, IoU, confusion, and how far it knows its doubts.",
    ),
    "pick": ("pick", "Choose the frames that are worth a person's time, as a data set to correct and to train on."),
    "label": ("label", "Label many recordings, videos and folders, on every core or on a Ray cluster."),
    "convert": ("convert", "Write the form of a model that a runtime can run: index pooling is rewritten exactly."),
    "quantize": ("quantize", "Make an INT8 model that sees what the float32 model sees: calibrated, judged by a gate."),
    "build-engine": (
        "build_engine",
        "Build a TensorRT engine, with the decode kernel, golden labels and a manifest beside it.",
    ),
    "bench": ("bench", "Measure a model here: frames per second, every stage, frame age, memory, power, agreement."),
    "train": ("train", "Train a model (extra 'train')."),
    "import-caffe": ("import_caffe", "Bring a SegNet or ENet of the Caffe fork along; needs no Caffe."),
    "labels": ("labels", "Look at label images, find their faults, colour them, change their form or class map."),
    "dataset": ("dataset", "Start a data set of your own."),
}
"""Name -> its file in this room, and its line in the help: what is not called is not imported."""

_BAD_ARGUMENTS: type[Exception] = typer.BadParameter.__mro__[2]
"""Click's ``ClickException``; newer typers carry a click of their own."""

app = typer.Typer(
    name="edge-segnet",
    cls=LazyGroup,
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
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows no UTF-8 still gets its answer
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
        if not {"--check", "--help"}.intersection(sys.argv):
            ahead.begin()
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


for _name, (_module, _about) in COMMANDS.items():
    announce(app, _name, _module, _about)
